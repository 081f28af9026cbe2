/** Runs and sweeps of the list as tables. */
import type { ListedRun, ListedSweep } from '../../server/documents.js';
import { runColumns, sweepColumns } from '../index-view.js';
import { type SortableColumn, SortableTable } from '../sortable-table.js';
import { hashOf } from './route.js';

const FIRST_SHOWN = 100;

export function ListedRuns({
  rows,
  chosen,
  choose,
}: {
  readonly rows: readonly ListedRun[];
  readonly chosen: ReadonlySet<string>;
  choose(path: string): void;
}) {
  const [name, ...rest] = runColumns(rows, path => hashOf({ kind: 'run', path }));
  const choice: SortableColumn<ListedRun> = {
    name: 'chosen',
    title: 'compare',
    isText: true,
    sortBy: ({ path }) => Number(!chosen.has(path)),
    show: ({ path, id }) => (
      <input
        type="checkbox"
        aria-label={`compare ${id}`}
        checked={chosen.has(path)}
        onChange={() => choose(path)}
      />
    ),
  };
  const columns = [name, choice, ...rest, ...messageColumn(rows)];
  return (
    <SortableTable label="Runs" columns={columns} rows={rows} keyOf={row => row.path} most={FIRST_SHOWN} />
  );
}

export function ListedSweeps({ rows }: { readonly rows: readonly ListedSweep[] }) {
  const columns = [
    ...sweepColumns<ListedSweep>(path => hashOf({ kind: 'sweep', path })),
    ...messageColumn(rows),
  ];
  return (
    <SortableTable label="Sweeps" columns={columns} rows={rows} keyOf={row => row.path} most={FIRST_SHOWN} />
  );
}

/** Only where any of them has something to say. */
function messageColumn<Row extends ListedRun | ListedSweep>(
  rows: readonly Row[],
): readonly SortableColumn<Row>[] {
  if (rows.every(row => row.message === null)) return [];
  const show = (row: Row): string => row.message ?? '';
  return [{ name: 'message', title: 'message', isText: true, sortBy: row => row.message, show }];
}
