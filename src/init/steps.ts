/** Series at regular times, in which some steps have no row. */
import { everyOf } from '../data/core/intervals.js';
import { intervalOf, positionsOf, type Times } from '../data/forecast/times.js';
import { counted } from '../util/words.js';
import { type Column, withoutValue } from './columns.js';
import { isMeasure } from './kinds.js';
import type { Layout } from './layout.js';

export interface RegularSteps {
  /** The value of `resample.every`. */
  readonly every: string | number;
  /** Number of steps without a row. */
  readonly missing: number;
  /** The row of each step of each series, up to its last value. */
  readonly rows: readonly (readonly (number | undefined)[])[];
}

/** Maximum number of steps without a row, as a fraction of the rows. */
const MAX_MISSING = 0.25;

/** The times of all rows; dates as they are written, with their offset from UTC. */
export function timesIn({ at: keys, isDate, columns: [column] }: NonNullable<Layout['order']>): Times {
  if (isDate && column.forms.length === 0 && keys.length === column.cells.length)
    return { keys, order: column.cells };
  return { keys, order: keys.map(key => (isDate ? new Date(key).toISOString() : String(key))) };
}

/**
 * A series with steps of hours or less without the rows that repeat the time of the row before, as
 * in the hour that a clock is set back. Returns other layouts unchanged.
 */
export function mergedSeries(layout: Layout): Layout {
  const { order, repeated } = layout;
  if (order === undefined || repeated === undefined) return layout;
  const isFirst = (row: number, i: number, list: readonly number[]) =>
    order.at[row] !== order.at[list[i - 1]];
  const rows = layout.rows.map(list => list.filter(isFirst));
  const merged = { ...layout, rows, order: { ...order, isColumn: true }, isMerged: true } as const;
  return /(s|min|h)$/.test(String(regularSteps(merged)?.every)) ? merged : layout;
}

/**
 * Undefined if each step has one row, or if the times are not regular.
 * @param future the rows after those of each series
 */
export function regularSteps(
  { order, rows, isMerged = false }: Layout,
  future: Layout['rows'] = [],
): RegularSteps | undefined {
  if (!order?.isColumn) return undefined;
  const times = timesIn(order);
  const all = rows.map((list, i) => [...list, ...(future[i] ?? [])]);
  const interval = all.map(list => intervalOf(list, times)).find(found => found !== undefined);
  const every = interval && everyOf(interval);
  if (interval === undefined || every === undefined) return undefined;
  const count = all.flat().length;
  let missing = 0;
  const steps: (number | undefined)[][] = [];
  for (const [i, list] of all.entries()) {
    const { positions, unit } = positionsOf(list, times);
    const places = positions.map(position => (position - positions[0]) / interval.count);
    const isRegular = places.every(place => Math.abs(place - Math.round(place)) < 1e-6);
    missing += Math.round(places[list.length - 1]) + 1 - list.length;
    if (unit !== interval.unit || !isRegular || missing > MAX_MISSING * count) return undefined;
    const end = Math.round(places[rows[i].length - 1]);
    const rowAt = Array<number | undefined>(end + 1).fill(undefined);
    for (const [k, row] of rows[i].entries()) rowAt[Math.round(places[k])] = row;
    steps.push(rowAt);
  }
  return missing === 0 && !isMerged ? undefined : { every, missing, rows: steps };
}

/** The rows of each series up to the last one with a value, and those of the future. */
export function untilLast(
  layout: Layout,
  { cells, isValue }: Column,
): { readonly layout: Layout; readonly future: Layout['rows'] } {
  const parts = layout.rows.map(list => {
    const end = 1 + list.findLastIndex(row => isValue(cells[row]));
    return { rows: list.slice(0, end), future: list.slice(end) };
  });
  const series = parts.filter(({ rows }) => rows.length > 0);
  const rows = series.map(list => list.rows);
  const lengths = rows.map(({ length }) => length).sort((a, b) => a - b);
  // a few shorter ones have no part in training
  const shortest = lengths[lengths.length >> 2] ?? 0;
  return { layout: { ...layout, rows, shortest }, future: series.map(list => list.future) };
}

/** Says that the last rows lack values that another column has: those to forecast. */
export function aheadOf(layout: Layout, target: Column, columns: readonly Column[]): string | undefined {
  const rows = untilLast(layout, target).future.flat();
  const isKnown = (column: Column) =>
    column !== target && isMeasure(column) && withoutValue(column, rows).length === 0;
  const known = columns.find(isKnown);
  if (rows.length === 0 || rows.length < target.missing || 4 * rows.length > target.cells.length)
    return undefined;
  return (
    known && `${target.name} has no value in the last ${counted(rows.length, 'row')}, and ${known.name} has`
  );
}
