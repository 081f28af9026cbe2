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
  const message: SortableColumn<ListedRun> = {
    name: 'message',
    title: 'message',
    isText: true,
    sortBy: row => row.message,
    show: row => row.message ?? '',
  };
  const hasMessage = rows.some(row => row.message !== null);
  const columns = [name, choice, ...rest, ...(hasMessage ? [message] : [])];
  return (
    <SortableTable label="Runs" columns={columns} rows={rows} keyOf={row => row.path} most={FIRST_SHOWN} />
  );
}

export function ListedSweeps({ rows }: { readonly rows: readonly ListedSweep[] }) {
  const columns = sweepColumns<ListedSweep>(path => hashOf({ kind: 'sweep', path }));
  return (
    <SortableTable label="Sweeps" columns={columns} rows={rows} keyOf={row => row.path} most={FIRST_SHOWN} />
  );
}
