/** What a chart shows, as a table that is made only where someone opens it. */
import { useState } from 'preact/hooks';
import { valueAt } from './align.js';
import { Scroll, Value } from './base.js';
import type { ChartProps } from './chart.js';

/** Of more steps, as many evenly among them, the last included. */
const MOST_ROWS = 100;

export function ValuesTable({ title, series, isShare }: Pick<ChartProps, 'title' | 'series' | 'isShare'>) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="values" onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>
        Table<span class="hidden"> of {title}</span>
      </summary>
      {isOpen && <Rows title={title} series={series} isShare={isShare} />}
    </details>
  );
}

function Rows({ title, series, isShare }: Pick<ChartProps, 'title' | 'series' | 'isShare'>) {
  const steps = [...new Set(series.flatMap(({ curve }) => curve.steps))].sort((a, b) => a - b);
  const every = Math.max(1, Math.ceil(steps.length / MOST_ROWS));
  const rows = steps.filter((_, i) => (steps.length - 1 - i) % every === 0);
  return (
    <Scroll label={`Values of ${title}`}>
      <table class="numbers">
        <thead>
          <tr>
            <th scope="col">step</th>
            {series.map(({ name, label }) => (
              <th key={name} scope="col">
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(step => (
            <tr key={step}>
              <th scope="row">{step}</th>
              {series.map(({ name, curve }) => (
                <td key={name}>
                  {curve.steps[0] <= step && valueAt(curve, step) === null ? (
                    'not finite'
                  ) : (
                    <Value metric={isShare ? 'accuracy' : 'loss'} value={valueAt(curve, step)} />
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
