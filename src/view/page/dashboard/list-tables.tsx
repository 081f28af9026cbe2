/** Runs and sweeps of the list as tables. */
import type { CommonConfig } from '../../document.js';
import type { ListedRun, ListedSweep } from '../../server/documents.js';
import { counted } from '../format.js';
import { sweepColumns } from '../list/columns.js';
import { RunTable } from '../list/run-table.js';
import { type SortableColumn, SortableTable } from '../sortable-table.js';
import { hashOf } from './route.js';

const FIRST_SHOWN = 100;
/** In the browser's storage. */
const COLUMNS_KEY = 'cellrun.columns';

interface Props {
  readonly rows: readonly ListedRun[];
  readonly common: CommonConfig;
  readonly groupBy: string;
  readonly chosen: ReadonlySet<string>;
  choose(paths: readonly string[], isChosen: boolean): void;
}

export function ListedRuns({ rows, common, groupBy, chosen, choose }: Props) {
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
        onChange={event => choose([path], event.currentTarget.checked)}
      />
    ),
    summary: {
      value: () => null,
      show: group => (
        <input
          type="checkbox"
          aria-label={`compare all ${counted(group.length, 'run')} of this group`}
          checked={group.every(({ path }) => chosen.has(path))}
          onChange={event =>
            choose(
              group.map(({ path }) => path),
              event.currentTarget.checked,
            )
          }
        />
      ),
    },
  };
  return (
    <RunTable<ListedRun>
      rows={rows}
      common={common}
      link={linkToRun}
      groupBy={groupBy}
      choice={choice}
      message={MESSAGE}
      storageKey={COLUMNS_KEY}
    />
  );
}

function linkToRun(path: string): string {
  return hashOf({ kind: 'run', path });
}

export function ListedSweeps({ rows }: { readonly rows: readonly ListedSweep[] }) {
  const columns = [
    ...sweepColumns<ListedSweep>(rows, path => hashOf({ kind: 'sweep', path })),
    ...(rows.some(({ message }) => message !== null) ? [MESSAGE] : []),
  ];
  return (
    <SortableTable label="Sweeps" columns={columns} rows={rows} keyOf={row => row.path} most={FIRST_SHOWN} />
  );
}

const MESSAGE: SortableColumn<ListedRun | ListedSweep> = {
  name: 'message',
  title: 'message',
  isText: true,
  sortBy: row => row.message,
  show: row => row.message ?? '',
};
