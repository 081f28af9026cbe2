/**
 * Scales of charts, from values to positions between 0 and 1, with their ticks; and curves before
 * they are drawn: their places on an axis, smoothed.
 */
import type { Curve } from '../../run/history.js';
import {
  formatNumber,
  formatSeconds,
  formatTicks,
  grouped,
  linearTicks,
  logTicks,
} from '../../util/numbers.js';
import type { RunReport } from '../run-report.js';
import type { ParameterReport } from '../sweep-report.js';

/** The label of the position at which points without a value are drawn. */
export const NO_VALUE = 'no value';

export interface Tick {
  readonly place: number;
  readonly text: string;
}

export interface Scale {
  /** 0 at the low end, 1 at the high one; undefined for values outside of the scale. */
  place(value: number | string | null | undefined): number | undefined;
  /** The value at a position; of categories their number. */
  at(place: number): number;
  textAt(place: number): string;
  readonly ticks: readonly Tick[];
}

interface NumericOptions {
  readonly isLog?: boolean;
  readonly ticks?: readonly number[];
  readonly texts?: readonly string[];
}

export function numeric(low: number, high: number, { isLog = false, ...given }: NumericOptions = {}): Scale {
  const { ticks = (isLog ? logTicks : linearTicks)(low, high), texts = formatTicks(ticks) } = given;
  // of the logarithms, since the ratio may overflow
  const [sizeOf, inverse] = isLog ? [Math.log, Math.exp] : [Number, Number];
  const [start, width] = [sizeOf(low), sizeOf(high) - sizeOf(low)];
  const placeOf = (value: number) => (width === 0 ? 0.5 : (sizeOf(value) - start) / width);
  const at = (place: number) => inverse(start + place * width);
  return {
    place: value =>
      typeof value === 'number' && Number.isFinite(placeOf(value)) ? placeOf(value) : undefined,
    at,
    textAt: place => formatNumber(at(place), 3),
    ticks: ticks.map((tick, i) => ({ place: placeOf(tick), text: texts[i] })),
  };
}

function categories(values: readonly string[]): Scale {
  const places = values.map((_, i) => (values.length === 1 ? 0.5 : 0.04 + (0.92 * i) / (values.length - 1)));
  return {
    place: value => places[values.indexOf(String(value))],
    at: place => nearest(places, place),
    textAt: place => values[nearest(places, place)] ?? NO_VALUE,
    ticks: values.map((text, i) => ({ place: places[i], text })),
  };
}

export function parameterScale({ scale, low, high, values }: ParameterReport): Scale {
  if (scale === 'category') return categories(values);
  const [from, to] = [low ?? 0, high ?? 1];
  return numeric(from, to, { isLog: scale === 'log' && from > 0 });
}

/** Of measured values; logarithmic if they span more than two powers of ten. */
export function measuredScale(values: readonly (number | null)[]): Scale {
  const extent = extentOf(values);
  // an axis without values has no labels
  if (extent === undefined) return categories([]);
  const [low, high] = extent;
  const isLog = low > 0 && high / low > 100;
  return numeric(...withMargin(low, high, isLog), { isLog });
}

/** Undefined if there are no values. */
export function extentOf(values: readonly (number | null)[]): [low: number, high: number] | undefined {
  const finite = values.filter(value => value !== null);
  if (finite.length === 0) return undefined;
  return [finite.reduce((a, b) => Math.min(a, b)), finite.reduce((a, b) => Math.max(a, b))];
}

/** A constant gets a margin as well. */
export function withMargin(low: number, high: number, isLog: boolean): [low: number, high: number] {
  if (isLog) {
    const margin = Math.max(1.05, Math.exp((Math.log(high) - Math.log(low)) * 0.05));
    return [low / margin, high * margin];
  }
  const margin = (high - low || Math.abs(high) || 1) * 0.05;
  return [low >= 0 && low < margin ? 0 : low - margin, high + margin];
}

export function spaced(ticks: readonly Tick[], least: (tick: Tick) => number): readonly Tick[] {
  let before = Number.NEGATIVE_INFINITY;
  return ticks.filter(tick => {
    if (tick.place - before < least(tick)) return false;
    before = tick.place;
    return true;
  });
}

export function nearest(values: readonly number[], value: number): number {
  let best = 0;
  for (const [i, one] of values.entries())
    if (Math.abs(one - value) < Math.abs(values[best] - value)) best = i;
  return best;
}

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
 * measurement. In general w is raised to the distance of two points in units of `spacing`. So a
 * long curve looks the same if only some of its points are kept, and all curves in a chart are
 * smoothed over the same number of steps. Values that are not finite stay gaps; they are not
 * averaged.
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

/** Whether the curve shows nothing: a learning rate that is always the same. */
export function isConstantRate(name: string, curve: Curve | undefined): boolean {
  return name === 'learning_rate' && new Set(curve?.values).size === 1;
}
