/** The runs as a table, with the chosen columns and groups. */
import { useMemo } from 'preact/hooks';
import type { CommonConfig } from '../../document.js';
import type { Link } from '../links.js';
import { type SortableColumn, SortableTable } from '../sortable-table.js';
import { ColumnChooser, chosenColumns, useColumnChoice } from './column-choice.js';
import { runColumns } from './columns.js';
import { groupRows } from './groups.js';
import type { RunLine } from './line.js';

interface Props<Row> {
  readonly rows: readonly Row[];
  readonly common: CommonConfig;
  readonly link: Link;
  /** Empty for no groups; see `groupRows`. */
  readonly groupBy: string;
  /** A column that is always shown, after the first. */
  readonly choice?: SortableColumn<Row>;
  /** A column that is shown at the end if it is not empty. */
  readonly message?: SortableColumn<Row>;
  /** See `useColumnChoice`. */
  readonly storageKey?: string;
}

export function RunTable<Row extends RunLine>({
  rows,
  common,
  link,
  groupBy,
  choice,
  message,
  storageKey,
}: Props<Row>) {
  const choices = useColumnChoice(storageKey);
  const offered = useMemo(() => runColumns(rows, common, link), [rows, common, link]);
  const groups = useMemo(
    () => (groupBy === '' ? undefined : groupRows(rows, groupBy, common)),
    [rows, groupBy, common],
  );
  const hasMessages = message !== undefined && rows.some(row => message.sortBy(row) !== null);
  const [first, ...others] = chosenColumns(offered, choices.choice);
  return (
    <>
      <ColumnChooser columns={offered} choices={choices} />
      <SortableTable
        label="Runs"
        columns={[first, ...(choice ? [choice] : []), ...others, ...(hasMessages ? [message] : [])]}
        rows={rows}
        {...(groups !== undefined && { groups })}
        keyOf={row => row.path}
        most={100}
      />
    </>
  );
}
