/** Scales: positions of values along an axis, and the ticks that are labelled. */
import type { ParameterReport } from '../document.js';
import { formatNumber, formatTicks } from './format.js';
import { NO_VALUE } from './without-value.js';

export interface AxisSpec {
  readonly title: string;
  readonly scale: ParameterReport['scale'];
  /** Bounds of a number; `low` is above zero if the scale is logarithmic. */
  readonly low?: number;
  readonly high?: number;
  readonly values?: readonly string[];
}

export interface Scale {
  /** 0 at the low end, 1 at the high one; undefined for values outside of the scale. */
  place(value: number | string | null | undefined): number | undefined;
  /** Text for the value at a position. */
  textAt(place: number): string;
  readonly ticks: readonly { readonly place: number; readonly text: string }[];
  /** Step of the arrow keys. */
  readonly keyStep: number;
}

export function scaleOf(spec: AxisSpec): Scale {
  if (spec.scale === 'category') return categories(spec.values ?? []);
  const { low = 0, high = 1 } = spec;
  if (spec.scale === 'log' && low > 0) return logarithmic(low, high);
  return linear(low, high);
}

function categories(values: readonly string[]): Scale {
  const places = values.map((_, i) => (values.length === 1 ? 0.5 : 0.04 + (0.92 * i) / (values.length - 1)));
  return {
    place: value => places[values.indexOf(String(value))],
    textAt: place => values[nearest(places, place)] ?? NO_VALUE,
    ticks: values.map((text, i) => ({ place: places[i], text })),
    keyStep: 1 / Math.max(1, values.length),
  };
}

function linear(low: number, high: number): Scale {
  const width = high - low;
  const place = (value: number) => (width === 0 ? 0.5 : (value - low) / width);
  return numeric(place, at => low + at * width, linearTicks(low, high));
}

function logarithmic(low: number, high: number): Scale {
  const width = Math.log(high / low);
  const place = (value: number) => (width === 0 ? 0.5 : Math.log(value / low) / width);
  return numeric(place, at => low * Math.exp(at * width), logTicks(low, high));
}

function numeric(
  place: (value: number) => number,
  at: (place: number) => number,
  ticks: readonly number[],
): Scale {
  return {
    place: value => (typeof value === 'number' && Number.isFinite(place(value)) ? place(value) : undefined),
    textAt: where => formatNumber(at(where), 3),
    ticks: formatTicks(ticks).map((text, i) => ({ place: place(ticks[i]), text })),
    keyStep: 0.05,
  };
}

/** Three to seven, at 1, 2 or 5 times a power of ten. */
export function linearTicks(low: number, high: number): readonly number[] {
  if (high === low) return [low];
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find(factor => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  // counts, since close bounds may not differ by a representable step
  const ticks = range(0, Math.floor(high / step - first + 1e-9)).map(i =>
    Number(((first + i) * step).toPrecision(12)),
  );
  return [...new Set(ticks)];
}

/** More labels would overlap on the smallest charts. */
const MAX_POWERS = 8;
const STRIDES = [1, 2, 3, 5, 10, 20, 50, 100];

/**
 * Powers of ten, or every second, third, … one if there are many; if there are fewer than three,
 * also 2 and 5 times these, otherwise linear ticks.
 */
export function logTicks(low: number, high: number): readonly number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const stride = STRIDES.find(one => (last - first) / one < MAX_POWERS) ?? MAX_POWERS;
  const powers = range(first, last).filter(power => power % stride === 0);
  if (powers.length >= 3) return powers.map(power => Number(`1e${power}`));
  const ticks = range(first - 1, last)
    .flatMap(power => [1, 2, 5].map(factor => Number(`${factor}e${power}`)))
    .filter(tick => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9));
  return ticks.length >= 3 ? ticks : linearTicks(low, high);
}

/** Includes both ends. */
function range(first: number, last: number): readonly number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}

/** The ticks without those closer than `least` to the one before, as a share of the axis. */
export function spaced(ticks: Scale['ticks'], least: number): Scale['ticks'] {
  let before = Number.NEGATIVE_INFINITY;
  return ticks.filter(({ place }) => {
    if (place - before < least) return false;
    before = place;
    return true;
  });
}

function nearest(places: readonly number[], place: number): number {
  let best = 0;
  for (const [i, one] of places.entries())
    if (Math.abs(one - place) < Math.abs(places[best] - place)) best = i;
  return best;
}

/**
 * Bounds of measured values with a margin; logarithmic if they span more than two powers of ten.
 */
export function measuredAxis(title: string, values: readonly (number | null)[]): AxisSpec {
  const finite = values.filter(value => value !== null);
  // an axis without values has no labels
  if (finite.length === 0) return { title, scale: 'category', values: [] };
  const low = finite.reduce((a, b) => Math.min(a, b));
  const high = finite.reduce((a, b) => Math.max(a, b));
  if (low > 0 && high / low > 100) return { title, scale: 'log', low: low / 1.1, high: high * 1.1 };
  const room = (high - low || Math.abs(high) || 1) * 0.04;
  return { title, scale: 'linear', low: low - room, high: high + room };
}
