/** Series at regular times, in which some steps have no row. */
import { everyOf } from '../../data/core/intervals.js';
import { intervalOf, positionsOf, type Times } from '../../data/forecast-times.js';
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
 * Undefined if no step lacks a row, or if the times are not regular.
 * @param future the rows after those of each series
 */
export function regularSteps({ order, rows }: Layout, future: Layout['rows'] = []): RegularSteps | undefined {
  if (!order?.isColumn) return undefined;
  const times = timesIn(order);
  const all = rows.map((list, i) => [...list, ...(future[i] ?? [])]);
  const interval = all.map(list => intervalOf(list, times)).find(one => one !== undefined);
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
    const own = Array<number | undefined>(end + 1).fill(undefined);
    for (const [k, row] of rows[i].entries()) own[Math.round(places[k])] = row;
    steps.push(own);
  }
  return missing === 0 ? undefined : { every, missing, rows: steps };
}
