/** The values of a chart as a table, created when opened. */
import { useState } from 'preact/hooks';
import { Scroll, Value } from './base.js';
import type { ChartProps } from './chart.js';

const MAX_ROWS = 100;

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
  const columns = series.map(({ curve }) => new Map(curve.steps.map((step, i) => [step, curve.values[i]])));
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
          {rowsOf(series).map(step => (
            <tr key={step}>
              <th scope="row">{step}</th>
              {series.map(({ name }, i) => (
                <td key={name}>
                  <Cell metric={isShare ? 'accuracy' : name} value={columns[i].get(step)} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Cell({ value, metric }: { readonly value: number | null | undefined; readonly metric: string }) {
  if (value === undefined) return null;
  return value === null ? 'not finite' : <Value metric={metric} value={value} />;
}

/** At most this many rows, evenly selected, including the last. */
function rowsOf(series: ChartProps['series']): readonly number[] {
  const kept = series.flatMap(({ curve: { steps } }) => {
    const every = Math.max(1, Math.ceil(steps.length / MAX_ROWS));
    return steps.filter((_, i) => (steps.length - 1 - i) % every === 0);
  });
  return [...new Set(kept)].sort((a, b) => a - b);
}
