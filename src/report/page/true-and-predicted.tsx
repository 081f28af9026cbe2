/** Predicted against true values, and where they are furthest apart. */
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
  const { pairs, worst } = values;
  return (
    <Section title="True and predicted" note={`${pairs.length} pairs; ${place}. On the line both are equal.`}>
      {pairs.length > 0 && (
        <PointPlot
          label={`${pairs.length} pairs of a true value and its prediction`}
          x={{ title: 'true', scale: 'linear' }}
          y={{ title: 'predicted', scale: 'linear' }}
          points={pairs.map(([x, y], i) => ({ id: i, x, y, className: 'completed' }))}
          diagonal
        />
      )}
      {worst.length > 0 && (
        <Scroll label="Worst predictions, a table">
          <table class="numbers">
            <caption>Furthest apart</caption>
            <thead>
              <tr>
                <th scope="col">sequence</th>
                <th scope="col">true</th>
                <th scope="col">predicted</th>
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

function listed(values: readonly Measured[]): string {
  return values.map(value => formatMetric('value', value)).join(', ');
}
