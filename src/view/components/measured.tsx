/** Tables and plots of measured numbers. */
import type { Scores } from '../../tasks/core/report.js';
import { words } from '../../util/numbers.js';
import { type Column, TableSection, Value } from './components.js';
import { type Axis, Plot } from './plot.js';

interface MeasuredTableProps extends Scores {
  readonly title: string;
  readonly note: string;
  /** Before the names of columns, so that they are those of metrics. */
  readonly format?: string;
}

export function MeasuredTable({ title, note, of, columns, format = '', rows }: MeasuredTableProps) {
  return (
    <TableSection
      title={title}
      note={note}
      columns={[
        { name: of, isText: true, show: row => row.name },
        ...columns.map(
          (column, k): Column<Scores['rows'][number]> => ({
            name: column,
            title: words(column),
            show: ({ values }) => <Value metric={format + column} value={values[k]} />,
          }),
        ),
      ]}
      rows={rows}
      most={20}
    />
  );
}

interface SquareProps {
  readonly label: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Points around the line on which both coordinates are equal. */
export function Square({ points, ...axes }: SquareProps) {
  return (
    <div class="square">
      <Plot
        {...axes}
        height={width => width}
        points={points.map((point, id) => ({ ...point, id, className: 'completed' }))}
      >
        {({ left, bottom, right, top }) => (
          <line class="diagonal" x1={left} y1={bottom} x2={right} y2={top} />
        )}
      </Plot>
    </div>
  );
}

/** A probability in percent. */
export function probabilityText(fraction: number | null): string {
  if (fraction === null) return '–';
  // a nearly certain mistake must not look certain
  return fraction > 0.99995 && fraction < 1 ? '> 99.99 %' : `${(100 * fraction).toFixed(2)} %`;
}
