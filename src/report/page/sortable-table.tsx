/** A table that its reader can sort; what has no value comes last, whichever way. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { Scroll } from './base.js';

export interface SortableColumn<Row> {
  readonly name: string;
  readonly title: string;
  readonly isText?: boolean;
  sortBy(row: Row): number | string | null | undefined;
  show(row: Row): ComponentChildren;
}

interface Props<Row> {
  readonly label: string;
  readonly columns: readonly SortableColumn<Row>[];
  /** In the order that is shown until the reader asks for another. */
  readonly rows: readonly Row[];
  keyOf(row: Row): string | number;
  classOf?(row: Row): string;
  onPoint?(row: Row | null): void;
  /** Rows that are shown at first. */
  readonly most?: number;
}

interface Order {
  readonly column: string;
  readonly isDown: boolean;
}

export function SortableTable<Row>({ label, columns, rows, keyOf, classOf, onPoint, most = 50 }: Props<Row>) {
  const [order, setOrder] = useState<Order | null>(null);
  const [isWhole, setWhole] = useState(false);
  const sorted = sortedRows(rows, columns, order);
  const shown = isWhole ? sorted : sorted.slice(0, most);
  const next = (column: string): void =>
    setOrder(old =>
      old?.column !== column ? { column, isDown: false } : old.isDown ? null : { column, isDown: true },
    );
  return (
    <>
      <Scroll label={label}>
        <table class="numbers sortable">
          <thead>
            <tr>
              {columns.map(({ name, title, isText }) => {
                const direction = order?.column !== name ? 'none' : order.isDown ? 'descending' : 'ascending';
                return (
                  <th key={name} scope="col" aria-sort={direction} class={isText ? 'text' : ''}>
                    <button type="button" title={name} onClick={() => next(name)}>
                      {title}
                      <span aria-hidden="true">
                        {{ none: '', ascending: ' ▲', descending: ' ▼' }[direction]}
                      </span>
                    </button>
                  </th>
                );
              })}
            </tr>
          </thead>
          <tbody>
            {shown.map(row => (
              <tr
                key={keyOf(row)}
                data-row={keyOf(row)}
                class={classOf?.(row) ?? ''}
                onPointerEnter={() => onPoint?.(row)}
                onPointerLeave={() => onPoint?.(null)}
              >
                {columns.map((column, i) =>
                  i === 0 ? (
                    <th
                      key={column.name}
                      scope="row"
                      data-column={column.name}
                      class={column.isText ? 'text' : ''}
                    >
                      {column.show(row)}
                    </th>
                  ) : (
                    <td key={column.name} data-column={column.name} class={column.isText ? 'text' : ''}>
                      {column.show(row)}
                    </td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {shown.length < sorted.length && (
        <button type="button" class="more" onClick={() => setWhole(true)}>
          Show all {sorted.length} rows
        </button>
      )}
    </>
  );
}

function sortedRows<Row>(
  rows: readonly Row[],
  columns: readonly SortableColumn<Row>[],
  order: Order | null,
): readonly Row[] {
  const column = columns.find(({ name }) => name === order?.column);
  if (order === null || column === undefined) return rows;
  const sign = order.isDown ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [x, y] = [column.sortBy(a) ?? null, column.sortBy(b) ?? null];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    if (typeof x === 'number' && typeof y === 'number') return sign * (x - y);
    return sign * (String(x) < String(y) ? -1 : Number(String(x) > String(y)));
  });
}
