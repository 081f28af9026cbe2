/** What trivial answers reach, beside what the run reached. */
import type { BaselineReport, Metric } from '../document.js';
import { Scroll, Section, Value } from './base.js';
import { words } from './format.js';

interface BaselineTableProps {
  readonly baselines: readonly BaselineReport[];
  /** The run's own, by `SPLIT.NAME`. */
  readonly metrics: readonly Metric[];
}

export function BaselineTable({ baselines, metrics }: BaselineTableProps) {
  if (baselines.length === 0) return null;
  const known = new Set(baselines.flatMap(one => one.metrics.map(({ name }) => name)));
  const columns = metrics.map(({ name }) => name).filter(name => known.has(name));
  const rows = [{ name: 'this run', metrics }, ...baselines];
  return (
    <Section title="Trivial baselines" note="What answers reach that look at no input.">
      <Scroll label="Trivial baselines, a table">
        <table class="numbers">
          <thead>
            <tr>
              <th scope="col" class="text">
                answer
              </th>
              {columns.map(column => (
                <th key={column} scope="col">
                  {words(column)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ name, metrics: values }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                {columns.map(column => (
                  <td key={column}>
                    <Value
                      metric={column}
                      value={values.find(metric => metric.name === column)?.value ?? null}
                    />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Section>
  );
}
