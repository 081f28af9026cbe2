/** Predicted against true values, and the largest errors. */
import type { Measured, ValuesReport } from '../document.js';
import { Scroll, Section, Value } from './base.js';
import { formatMetric } from './format.js';
import { PointPlot } from './point-plot.js';

export function TrueAndPredicted({
  values,
  place,
}: {
  readonly values: ValuesReport;
  readonly place: string;
}) {
  const { names, pairs, worst } = values;
  const titles = pairs.map((_, k) => names?.[k] ?? (pairs.length > 1 ? `target ${k}` : ''));
  return (
    <Section title="True and predicted" note={noteOf(pairs, place)}>
      {pairs.map((ofTarget, k) => (
        <PointPlot
          key={titles[k]}
          label={`${ofTarget.length} pairs of a true value and its prediction${suffix(titles[k])}`}
          x={{ title: `true${suffix(titles[k])}`, scale: 'linear' }}
          y={{ title: `predicted${suffix(titles[k])}`, scale: 'linear' }}
          points={ofTarget.map(([x, y], i) => ({ id: i, x, y, className: 'completed' }))}
          diagonal
        />
      ))}
      {worst.length > 0 && (
        <Scroll label="Worst predictions, a table">
          <table class="numbers">
            <caption>Furthest apart</caption>
            <thead>
              <tr>
                <th scope="col">sequence</th>
                <th scope="col">true{inOrder(names)}</th>
                <th scope="col">predicted{inOrder(names)}</th>
                <th scope="col">absolute error</th>
              </tr>
            </thead>
            <tbody>
              {worst.map(({ index, id, target, prediction, absolute_error: error }) => (
                <tr key={index} data-index={index}>
                  <th scope="row">{id ?? index}</th>
                  <td>{listed(target)}</td>
                  <td>{listed(prediction)}</td>
                  <td>
                    <Value metric="error" value={error} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Section>
  );
}

function noteOf(pairs: ValuesReport['pairs'], place: string): string {
  if (pairs.length === 0) return `${place}.`;
  const each = pairs.length > 1 ? ` of each of the first ${pairs.length} targets` : '';
  return `${pairs[0].length} pairs${each}; ${place}. On the line both are equal.`;
}

function suffix(title: string): string {
  return title === '' ? '' : `, ${title}`;
}

/** ` (temperature, humidity)` for a list of targets. */
function inOrder(names: readonly string[] | null): string {
  return names === null || names.length < 2 ? '' : ` (${names.join(', ')})`;
}

function listed(values: readonly Measured[]): string {
  return values.map(value => formatMetric('value', value)).join(', ');
}
