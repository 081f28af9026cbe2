/** Gates in words, for whoever tells of them. */
import { basename, isAbsolute } from 'node:path';
import { largerIsBetter } from '../../config/rules/metrics.js';
import type { GateResult } from '../summary.js';

/**
 * `Gate test.accuracy failed: 0.91, at least 0.96 wanted (configs/x.yaml:17:5).`; one that passed
 * needs no place.
 */
export function gateSentence(gate: GateResult): string {
  const { verdict, origin } = gate;
  const place = verdict === 'passed' ? '' : ` (${origin})`;
  return `Gate ${gateName(gate)} ${verdict}: ${measuredWords(gate)}, ${wantedWords(gate)} wanted${place}.`;
}

/** `test.accuracy`, `test.accuracy over seeds` */
export function gateName({ metric, over }: Pick<GateResult, 'metric' | 'over'>): string {
  return over === 'last' ? metric : `${metric} over ${over}`;
}

/** The value, or why there is no verdict on it. */
export function measuredWords(gate: GateResult): string {
  const { value, reason } = gate;
  if (reason !== undefined) return Number.isFinite(value) ? `${value}, ${reason}` : reason;
  return value === null ? 'not measured' : formatMeasured(value, boundsOf(gate));
}

/** `at least 0.96 and at most 1`; of a baseline also how the limit came about. */
export function wantedWords(gate: GateResult): string {
  const { min, max, baseline, max_drop, max_regress, reference } = gate;
  const bounds = [min === undefined ? '' : `at least ${min}`, max === undefined ? '' : `at most ${max}`];
  if (gate.beats !== undefined) return beatingWords(gate);
  if (baseline === undefined) return bounds.filter(Boolean).join(' and ');
  const slack = max_drop ?? `${percent(max_regress ?? 0)} %`;
  const side = largerIsBetter(gate.metric) ? 'less' : 'more';
  const mean = reference === undefined ? 'the mean' : short(reference);
  const limit =
    gate.limit === undefined
      ? ''
      : `${largerIsBetter(gate.metric) ? 'at least' : 'at most'} ${short(gate.limit)}, `;
  return `${limit}at most ${slack} ${side} than ${mean} of ${nameOf(baseline)}`;
}

/**
 * `more than 0.75 of the trivial baseline`, `at least 0.8, 0.05 more than 0.75 of the trivial
 * baseline`
 */
function beatingWords({ metric, by = 0, reference, limit }: GateResult): string {
  const [more, least] = largerIsBetter(metric) ? ['more', 'at least'] : ['less', 'at most'];
  const trivial = `than ${reference === undefined ? 'that' : short(reference)} of the trivial baseline`;
  if (by === 0) return `${more} ${trivial}`;
  return `${limit === undefined ? '' : `${least} ${short(limit)}, `}${by} ${more} ${trivial}`;
}

/**
 * A config's baseline is kept as an absolute path, which says nothing to who reads it elsewhere;
 * its place is the gate's.
 */
function nameOf(baseline: string): string {
  return isAbsolute(baseline) ? basename(baseline) : baseline;
}

function percent(share: number): number {
  return Number((100 * share).toPrecision(15));
}

/** Digits that nobody needs are left out. */
function short(value: number): string {
  return String(Number(value.toPrecision(DIGITS)));
}

function boundsOf({ metric, min, max, limit }: GateResult): { min?: number; max?: number } {
  if (limit === undefined) return { min, max };
  return largerIsBetter(metric) ? { min: limit, max } : { min, max: limit };
}

const DIGITS = 6;

/**
 * `value` in six significant digits that say the same of the bounds as all its digits do: where the
 * nearest such number lies on the other side of a bound, or on it, the next one away from it. In
 * full where it equals a bound, or the bounds leave no room for either.
 */
function formatMeasured(value: number, { min, max }: Pick<GateResult, 'min' | 'max'>): string {
  if (value === min || value === max) return String(value);
  const unit = 10 ** (Number(value.toExponential().split('e')[1]) + 1 - DIGITS);
  const sides = (x: number): string =>
    [x >= (min ?? Number.NEGATIVE_INFINITY), x <= (max ?? Number.POSITIVE_INFINITY)].join();
  const shown = [0, -unit, unit]
    .map(shift => Number((value + shift).toPrecision(DIGITS)))
    .find(rounded => sides(rounded) === sides(value));
  return String(shown ?? value);
}
