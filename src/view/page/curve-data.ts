/** Curves before they are drawn: positions on an axis, alignment, smoothing, order. */
import type { Curve } from '../../run/curve.js';
import { formatNumber, formatSeconds, grouped } from '../../util/numbers.js';
import type { RunReport } from '../document.js';

export const X_AXES = ['step', 'epoch', 'time'] as const;
export type XAxis = (typeof X_AXES)[number];

/** The fields of a run that locate its steps. */
export type Places = Pick<RunReport, 'steps_per_epoch' | 'elapsed'>;

/** Whether the run supports the axis; epochs need one complete epoch, and the same steps in all. */
export function hasAxis({ steps_per_epoch, elapsed }: Places, axis: XAxis): boolean {
  switch (axis) {
    case 'step':
      return true;
    case 'epoch':
      return steps_per_epoch !== null;
    case 'time':
      return elapsed.steps.length > 1;
    default:
      return axis satisfies never;
  }
}

/**
 * Positions of ascending `steps` on the axis: steps, epochs done, or seconds since the run started.
 */
export function placesOf(steps: readonly number[], axis: XAxis, places: Places): readonly number[] {
  switch (axis) {
    case 'step':
      return steps;
    case 'epoch': {
      const each = places.steps_per_epoch ?? 1;
      return steps.map(step => step / each);
    }
    case 'time':
      return interpolated(steps, places.elapsed);
    default:
      return axis satisfies never;
  }
}

/** Linear between known steps; outside of them the nearest one. */
function interpolated(
  steps: readonly number[],
  { steps: known, values }: Pick<Curve, 'steps' | 'values'>,
): readonly number[] {
  let at = 0;
  return steps.map(step => {
    while (at < known.length - 1 && known[at + 1] < step) at += 1;
    const [low, high] = [values[at] ?? 0, values[at + 1] ?? values[at] ?? 0];
    const width = (known[at + 1] ?? known[at]) - known[at];
    const fraction = width > 0 ? Math.min(1, Math.max(0, (step - known[at]) / width)) : 0;
    return low + fraction * (high - low);
  });
}

/** The label on the axis, and with its unit: `step 8`. */
export function tickText(axis: XAxis, x: number): string {
  switch (axis) {
    case 'step':
      return grouped(Math.round(x));
    case 'epoch':
      return formatNumber(x);
    case 'time':
      return x !== 0 && Math.abs(x) < 9.95 ? `${formatNumber(x, 3)} s` : formatSeconds(x);
    default:
      return axis satisfies never;
  }
}

export function placeText(axis: XAxis, x: number): string {
  return axis === 'time' ? tickText(axis, x) : `${axis} ${tickText(axis, x)}`;
}

/** Distances between ticks, ascending. */
export function tickSteps(axis: XAxis): number[] {
  switch (axis) {
    case 'step':
      // no ticks between steps
      return powersFrom(0);
    case 'epoch':
      return powersFrom(-3);
    case 'time':
      return [...powersFrom(-3).filter(step => step <= 10), ...CLOCK];
    default:
      return axis satisfies never;
  }
}

/** 1, 2 and 5 times powers of ten. */
function powersFrom(first: number): number[] {
  const powers = Array.from({ length: 15 - first }, (_, i) => first + i);
  return powers.flatMap(power => [1, 2, 5].map(factor => Number(`${factor}e${power}`)));
}

/** Seconds: halves and wholes of minutes, hours and days. */
const CLOCK = [
  15,
  30,
  60,
  120,
  300,
  600,
  900,
  1800,
  3600,
  7200,
  10_800,
  21_600,
  43_200,
  ...[1, 2, 5, 10, 20, 50, 100].map(days => 86_400 * days),
];

/**
 * The positions of all lines, and the values of each line there: null breaks it, undefined is
 * skipped.
 */
export type Aligned = [places: number[], ...values: (number | null | undefined)[][]];

/** Values over ascending positions on the axis. */
export interface Line {
  readonly places: readonly number[];
  readonly values: readonly (number | null | undefined)[];
}

/** @param isLog whether values that are not above zero break the line */
export function align(lines: readonly Line[], isLog: boolean): Aligned {
  const places = [...new Set(lines.flatMap(line => line.places))].sort((a, b) => a - b);
  const index = new Map(places.map((place, i) => [place, i]));
  const columns = lines.map(line => {
    const column: (number | null | undefined)[] = new Array(places.length).fill(undefined);
    for (const [i, place] of line.places.entries()) {
      const value = line.values[i];
      column[index.get(place)!] = isLog && typeof value === 'number' && value <= 0 ? null : value;
    }
    return column;
  });
  return [places, ...columns];
}

/** The value at `place`, or the last one before it; undefined before the first. */
export function valueAt({ places, values }: Line, place: number): number | null | undefined {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle] <= place) low = middle + 1;
    else high = middle;
  }
  return values[low - 1];
}

/** The indices of values without a neighbour to draw a line to. */
export function isolated(values: ArrayLike<number | null | undefined>): number[] {
  // positions of values and gaps; skipped ones do not count
  const places: number[] = [];
  for (let i = 0; i < values.length; i++) if (values[i] !== undefined) places.push(i);
  const isValue = (place: number | undefined) => place !== undefined && values[place] !== null;
  return places.filter((place, i) => isValue(place) && !isValue(places[i - 1]) && !isValue(places[i + 1]));
}

interface Points {
  readonly steps: readonly number[];
  readonly values: readonly (number | null | undefined)[];
  /** Number of measurements before points were selected. */
  readonly count: number;
}

/**
 * The exponential moving average with bias correction, as in TensorBoard: of measurements v_1, v_2,
 * … it is at the n-th sum_i w^(n-i) v_i / sum_i w^(n-i), so that the first value is the first
 * measurement. In general w is raised to the distance of two points in units of `spacing`: a long
 * curve, of which only some measurements are kept, looks as if all were, and curves in one chart
 * are smoothed over the same steps, however often they were measured. What was not finite stays a
 * gap and is not averaged.
 * @param weight w, from 0 (nothing is smoothed) to below 1
 * @param spacing steps between two measurements; see `spacingOf`
 */
export function smoothed(
  { steps, values }: Pick<Points, 'steps' | 'values'>,
  weight: number,
  spacing: number,
): (number | null | undefined)[] {
  let [sum, weights] = [0, 0];
  let before: number | undefined;
  return values.map((value, i) => {
    if (value === null || value === undefined) return value;
    const decay = before === undefined ? 0 : weight ** ((steps[i] - before) / spacing);
    before = steps[i];
    sum = sum * decay + value;
    weights = weights * decay + 1;
    return sum / weights;
  });
}

/** The average number of steps between measurements; infinite if there is only one. */
export function spacingOf({ steps, count }: Pick<Points, 'steps' | 'count'>): number {
  const span = steps[steps.length - 1] - steps[0];
  return span > 0 && count > 1 ? span / (count - 1) : Number.POSITIVE_INFINITY;
}

/** Held-out splits first. */
const SPLITS = ['test', 'validation', 'train_set', 'epoch', 'train'];

/**
 * Compares names such as `test.accuracy`: by split, then other metrics before the loss; names that
 * are not metrics come last.
 */
export function byImportance(a: string, b: string): number {
  return rank(a) - rank(b) || (a < b ? -1 : Number(a > b));
}

function rank(name: string): number {
  const split = SPLITS.indexOf(name.split('.')[0]);
  return split < 0 ? 2 * SPLITS.length : 2 * split + Number(name.endsWith('.loss'));
}

/** The index of the value closest to `value`. */
export function nearest(values: readonly number[], value: number): number {
  let best = 0;
  for (const [i, one] of values.entries())
    if (Math.abs(one - value) < Math.abs(values[best] - value)) best = i;
  return best;
}
