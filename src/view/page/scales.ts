/** Scales of charts: from values to positions between 0 and 1, with their ticks. */
import { formatNumber, formatTicks, linearTicks, logTicks } from '../../util/numbers.js';
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
  const finite = values.filter(value => value !== null);
  // an axis without values has no labels
  if (finite.length === 0) return categories([]);
  const [low, high] = [finite.reduce((a, b) => Math.min(a, b)), finite.reduce((a, b) => Math.max(a, b))];
  const isLog = low > 0 && high / low > 100;
  return numeric(...withMargin(low, high, isLog), { isLog });
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
