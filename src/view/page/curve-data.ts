/** Curves before they are drawn: positions on an axis, ticks, smoothing, order. */
import type { Curve } from '../../run/curve.js';
import { formatNumber, formatSeconds, grouped, linearTicks } from '../../util/numbers.js';
import type { RunReport } from '../run-report.js';

export const X_AXES = ['step', 'epoch', 'time'] as const;
export type XAxis = (typeof X_AXES)[number];

export type Places = Pick<RunReport, 'steps_per_epoch' | 'elapsed'>;

/** Whether the run supports the axis; epochs need one complete epoch, and the same steps in all. */
export function hasAxis({ steps_per_epoch, elapsed }: Places, axis: XAxis): boolean {
  if (axis === 'time') return elapsed.steps.length > 1;
  return axis === 'step' || steps_per_epoch !== null;
}

/**
 * Positions of ascending `steps` on the axis: steps, epochs done, or seconds since the run started.
 */
export function placesOf(
  steps: readonly number[],
  axis: XAxis,
  { steps_per_epoch, elapsed }: Places,
): readonly number[] {
  if (axis === 'time') return interpolated(steps, elapsed);
  return axis === 'step' ? steps : steps.map(step => step / (steps_per_epoch ?? 1));
}

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

/** Seconds: halves and wholes of minutes, hours and days. */
const CLOCK = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200];
const DAYS = [1, 2, 5, 10, 20, 50, 100].map(days => 86_400 * days);

/** No ticks between steps, and whole minutes, hours or days for long times. */
export function ticksOf(axis: XAxis, low: number, high: number): readonly number[] {
  const most = 6;
  const clock = axis === 'time' && high - low > 60;
  const each = clock ? [...CLOCK, ...DAYS].find(seconds => (high - low) / seconds <= most) : undefined;
  if (each === undefined)
    return linearTicks(low, high).filter(tick => axis !== 'step' || Number.isInteger(tick));
  const first = Math.ceil(low / each);
  return Array.from({ length: Math.floor(high / each) - first + 1 }, (_, i) => (first + i) * each);
}

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

export interface Line {
  readonly places: readonly number[];
  readonly values: readonly (number | null)[];
}

/** The value at `place`, or the last one before it; undefined before the first. */
export function valueAt({ places, values }: Line, place: number): number | null | undefined {
  return values[places.findLastIndex(one => one <= place)];
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
  { steps, values }: Pick<Curve, 'steps' | 'values'>,
  weight: number,
  spacing: number,
): (number | null)[] {
  let [sum, weights] = [0, 0];
  let before: number | undefined;
  return values.map((value, i) => {
    if (value === null) return value;
    const decay = before === undefined ? 0 : weight ** ((steps[i] - before) / spacing);
    before = steps[i];
    sum = sum * decay + value;
    weights = weights * decay + 1;
    return sum / weights;
  });
}

/** The average number of steps between measurements; infinite if there is only one. */
export function spacingOf({ steps, count }: Pick<Curve, 'steps' | 'count'>): number {
  const span = steps[steps.length - 1] - steps[0];
  return span > 0 && count > 1 ? span / (count - 1) : Number.POSITIVE_INFINITY;
}

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
