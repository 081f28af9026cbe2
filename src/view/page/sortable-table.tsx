/**
 * A table that the reader can sort, with groups that can be opened; missing values come last in
 * either order.
 */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Scroll } from './base.js';
import { counted } from './format.js';
import type { Group } from './list/groups.js';

type SortValue = number | string | null | undefined;

export interface SortableColumn<Row> {
  readonly name: string;
  readonly title: string;
  readonly isText?: boolean;
  sortBy(row: Row): SortValue;
  show(row: Row): ComponentChildren;
  /** The value of a group to show and sort by; undefined for the value that its rows share. */
  readonly summary?: {
    value(rows: readonly Row[]): SortValue;
    show(rows: readonly Row[]): ComponentChildren;
  };
}

interface Props<Row> {
  readonly label: string;
  readonly columns: readonly SortableColumn<Row>[];
  /** In the initial order. */
  readonly rows: readonly Row[];
  /** The same rows in groups; absent for a single table. */
  readonly groups?: readonly Group<Row>[];
  keyOf(row: Row): string | number;
  classOf?(row: Row): string;
  onPoint?(row: Row | null): void;
  /** Rows that are initially shown, per group. */
  readonly most?: number;
}

interface Order {
  readonly column: string;
  readonly isDown: boolean;
}

export function SortableTable<Row>(props: Props<Row>) {
  const { label, columns, rows, groups, most = 50 } = props;
  const [order, setOrder] = useState<Order | null>(null);
  const [isWhole, setWhole] = useState(false);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const column = columns.find(({ name }) => name === order?.column);
  const isDown = order?.isDown ?? false;
  const sort = (some: readonly Row[]) => (column ? sorted(some, column.sortBy, isDown) : some);
  const shorten = (some: readonly Row[]) => (isWhole ? some : some.slice(0, most));
  const next = (name: string): void =>
    setOrder(old =>
      old?.column !== name
        ? { column: name, isDown: false }
        : old.isDown
          ? null
          : { column: name, isDown: true },
    );
  const toggle = (key: string): void =>
    setOpen(old => new Set(old.has(key) ? [...old].filter(one => one !== key) : [...old, key]));
  const shownGroups =
    groups && column ? sorted(groups, group => summaryValue(column, group.rows), isDown) : groups;
  const longest = groups === undefined ? rows.length : Math.max(0, ...groups.map(group => group.rows.length));
  return (
    <>
      <Scroll label={label}>
        <table class="numbers sortable">
          <Head columns={columns} order={order} next={next} />
          {shownGroups === undefined ? (
            <tbody>
              <Rows {...props} rows={shorten(sort(rows))} />
            </tbody>
          ) : (
            shownGroups.map(group => (
              <tbody key={group.key} data-group={group.label}>
                <GroupRow
                  group={group}
                  columns={columns}
                  isOpen={open.has(group.key)}
                  toggle={() => toggle(group.key)}
                />
                {open.has(group.key) && <Rows {...props} rows={shorten(sort(group.rows))} />}
              </tbody>
            ))
          )}
        </table>
      </Scroll>
      {!isWhole && longest > most && (
        <button type="button" class="more" onClick={() => setWhole(true)}>
          Show all {rows.length} rows
        </button>
      )}
    </>
  );
}

function Head<Row>({
  columns,
  order,
  next,
}: Pick<Props<Row>, 'columns'> & { readonly order: Order | null; next(column: string): void }) {
  return (
    <thead>
      <tr>
        {columns.map(({ name, title, isText }) => {
          const direction = order?.column !== name ? 'none' : order.isDown ? 'descending' : 'ascending';
          return (
            <th key={name} scope="col" aria-sort={direction} class={isText ? 'text' : ''}>
              <button type="button" title={name} onClick={() => next(name)}>
                {title}
                <span aria-hidden="true">{{ none: '', ascending: ' ▲', descending: ' ▼' }[direction]}</span>
              </button>
            </th>
          );
        })}
      </tr>
    </thead>
  );
}

function Rows<Row>({ columns, rows, keyOf, classOf, onPoint }: Props<Row>) {
  return rows.map(row => (
    <tr
      key={keyOf(row)}
      data-row={keyOf(row)}
      class={classOf?.(row) ?? ''}
      onPointerEnter={() => onPoint?.(row)}
      onPointerLeave={() => onPoint?.(null)}
    >
      {columns.map((column, i) => {
        const Cell = i === 0 ? 'th' : 'td';
        return (
          <Cell
            key={column.name}
            {...(i === 0 && { scope: 'row' })}
            data-column={column.name}
            class={column.isText ? 'text' : ''}
          >
            {column.show(row)}
          </Cell>
        );
      })}
    </tr>
  ));
}

function GroupRow<Row>({
  group: { label, rows },
  columns: [, ...columns],
  isOpen,
  toggle,
}: Pick<Props<Row>, 'columns'> & { readonly group: Group<Row>; readonly isOpen: boolean; toggle(): void }) {
  return (
    <tr class="group">
      <th scope="rowgroup" class="text">
        <button type="button" aria-expanded={isOpen} onClick={toggle}>
          <span aria-hidden="true">{isOpen ? '▾' : '▸'}</span> {label}
        </button>{' '}
        <small>{counted(rows.length, 'run')}</small>
      </th>
      {columns.map(column => (
        <td key={column.name} data-column={column.name} class={column.isText ? 'text' : ''}>
          {column.summary?.show(rows) ?? (isSame(column, rows) ? column.show(rows[0]) : '')}
        </td>
      ))}
    </tr>
  );
}

function isSame<Row>({ sortBy }: SortableColumn<Row>, rows: readonly Row[]): boolean {
  return rows.every(row => sortBy(row) === sortBy(rows[0]));
}

function summaryValue<Row>(column: SortableColumn<Row>, rows: readonly Row[]): SortValue {
  if (column.summary !== undefined) return column.summary.value(rows);
  return isSame(column, rows) ? column.sortBy(rows[0]) : null;
}

function sorted<T>(items: readonly T[], keyFor: (item: T) => SortValue, isDown: boolean): readonly T[] {
  const sign = isDown ? -1 : 1;
  return items.toSorted((a, b) => {
    const [x, y] = [keyFor(a) ?? null, keyFor(b) ?? null];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    if (typeof x === 'number' && typeof y === 'number') return sign * (x - y);
    return sign * (String(x) < String(y) ? -1 : Number(String(x) > String(y)));
  });
}
