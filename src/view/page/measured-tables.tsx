/** Tables of measured values: of each class, label or target, and of trivial baselines. */
import type { BaselineReport, Measured, Metric, ScoresReport } from '../document.js';
import { Scroll, Section, Value } from './base.js';
import { words } from './format.js';

/** Maximum number of rows; the file has all. */
const MAX_ROWS = 100;

/** The scores of each class or label, or the errors of each target. */
export function ScoreTable({ scores, place }: { readonly scores: ScoresReport; readonly place: string }) {
  const { of, columns, rows } = scores;
  const more = rows.length > MAX_ROWS ? `; the first ${MAX_ROWS} of ${rows.length}` : '';
  return (
    <Section title={`Each ${of}`} note={`${place}${more}.`}>
      <MeasuredTable
        label={`Scores of each ${of}`}
        of={of}
        columns={columns}
        metricOf={column => `score.${column}`}
        rows={rows.slice(0, MAX_ROWS)}
      />
    </Section>
  );
}

interface BaselineTableProps {
  readonly baselines: readonly BaselineReport[];
  /** The run's metrics, by `SPLIT.NAME`. */
  readonly metrics: readonly Metric[];
}

/** Trivial baselines beside the run's metrics. */
export function BaselineTable({ baselines, metrics }: BaselineTableProps) {
  if (baselines.length === 0) return null;
  const known = new Set(baselines.flatMap(one => one.metrics.map(({ name }) => name)));
  const columns = metrics.map(({ name }) => name).filter(name => known.has(name));
  const rows = [{ name: 'this run', metrics }, ...baselines].map(({ name, metrics: values }) => ({
    name,
    values: columns.map(column => values.find(metric => metric.name === column)?.value ?? null),
  }));
  return (
    <Section title="Trivial baselines" note="Scores of answers that ignore the input.">
      <MeasuredTable
        label="Trivial baselines"
        of="answer"
        columns={columns}
        metricOf={column => column}
        rows={rows}
      />
    </Section>
  );
}

interface MeasuredTableProps {
  readonly label: string;
  /** The kind of the rows. */
  readonly of: string;
  readonly columns: readonly string[];
  /** Determines the format of a column. */
  metricOf(column: string): string;
  /** Values in the order of the columns. */
  readonly rows: readonly { readonly name: string; readonly values: readonly Measured[] }[];
}

function MeasuredTable({ label, of, columns, metricOf, rows }: MeasuredTableProps) {
  return (
    <Scroll label={`${label}, a table`}>
      <table class="numbers" data-rows={of}>
        <thead>
          <tr>
            <th scope="col" class="text">
              {of}
            </th>
            {columns.map(column => (
              <th key={column} scope="col">
                {words(column)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, values }, i) => (
            <tr key={`${i} ${name}`}>
              <th scope="row">{name}</th>
              {values.map((value, k) => (
                <td key={columns[k]}>
                  <Value metric={metricOf(columns[k])} value={value} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
