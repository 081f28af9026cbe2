/**
 * Whether runs differ by more than chance: the metrics of each side, and each side against the
 * first.
 */
import type { ComparisonReport } from '../../document.js';
import { Badge, Scroll, Section, Value } from '../base.js';
import { formatNumber, isShare } from '../format.js';

type Metric = ComparisonReport['metrics'][number];
type Against = Metric['comparisons'][number];

export function Significance({ report }: { readonly report: ComparisonReport }) {
  const { sides, metrics, sentences } = report;
  if (metrics.length === 0) return null;
  const isCompared = sides.length > 1;
  return (
    <Section
      title={isCompared ? 'Differences' : 'Over the seeds'}
      note={
        isCompared
          ? 'Runs that differ only in their seed form one side; the other sides are compared with the first.'
          : 'These runs differ only in their seed.'
      }
    >
      <ul class="sides">
        {sides.map(({ id, name, description }) => (
          <li key={id} data-side={id}>
            <b>{id}</b> {name} <span class="note">{description}</span>
          </li>
        ))}
      </ul>
      <Scroll label="Metrics of the sides">
        <table class="numbers significance">
          <thead>
            <tr>
              <th scope="col" class="text">
                metric
              </th>
              <th scope="col" class="text">
                side
              </th>
              <th scope="col">runs</th>
              <th scope="col">mean</th>
              <th scope="col">spread</th>
              {isCompared && (
                <>
                  <th scope="col">difference</th>
                  <th scope="col">95 % interval</th>
                  <th scope="col">p</th>
                  <th scope="col" class="text">
                    verdict
                  </th>
                </>
              )}
            </tr>
          </thead>
          <tbody>{metrics.map(metric => rowsOf(metric, isCompared))}</tbody>
        </table>
      </Scroll>
      <ul class="note sentences">
        {sentences.map(sentence => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </Section>
  );
}

function rowsOf({ metric, sides, comparisons }: Metric, isCompared: boolean) {
  return sides.map(({ side, n, mean, spread }) => (
    <tr key={`${metric} ${side}`} data-metric={metric} data-side={side}>
      <th scope="row" class="text">
        {metric}
      </th>
      <td class="text">{side}</td>
      <td>{n}</td>
      <td data-column="mean">
        <Value metric={metric} value={mean} />
      </td>
      <td data-column="spread">
        <Value metric={metric} value={spread} />
      </td>
      {isCompared && <Against metric={metric} against={comparisons.find(one => one.side === side)} />}
    </tr>
  ));
}

function Against({ metric, against }: { readonly metric: string; readonly against: Against | undefined }) {
  if (against === undefined) return <td colSpan={4} />;
  const { difference, interval, test, verdict } = against;
  return (
    <>
      <td data-column="difference">{signed(metric, difference)}</td>
      <td>{interval !== null && `${signed(metric, interval.low)} to ${signed(metric, interval.high)}`}</td>
      <td data-column="p">{test !== null && <Value metric="p" value={test.p_adjusted} />}</td>
      <td class="text" data-column="verdict">
        <Badge of={verdict} />
      </td>
    </>
  );
}

/** Differences of shares are in percentage points. */
function signed(metric: string, value: number | null): string {
  if (value === null) return '–';
  const text = isShare(metric) ? formatNumber(100 * value, 3) : formatNumber(value, 3);
  const unit = isShare(metric) ? ' points' : '';
  return `${value > 0 ? '+' : ''}${text.replace('-', '−')}${unit}`;
}
