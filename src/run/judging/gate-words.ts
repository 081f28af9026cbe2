/** Sentences about gates, for runs, reviews and reports. */
import { basename, isAbsolute } from 'node:path';
import { largerIsBetter } from '../../config/rules/metrics.js';
import type { GateResult } from '../summary.js';

type Relation = '>=' | '<=' | '>' | '<';

interface Bound {
  readonly relation: Relation;
  readonly limit: number;
  /** Bounds of a config in full, computed limits rounded. */
  readonly text: string;
}

/** The relation that holds if the given one does not. */
const OPPOSITE: Readonly<Record<Relation, Relation>> = { '>=': '<', '<=': '>', '>': '<=', '<': '>=' };

/** Significant digits of a measured value and of a computed limit. */
const VALUE_DIGITS = 4;
const LIMIT_DIGITS = 6;

/**
 * `Gate test.accuracy failed: 0.8833 < 0.95 (configs/x.yaml:17:5).`; a gate that passed needs no
 * location.
 */
export function gateSentence(gate: GateResult): string {
  const { verdict, origin } = gate;
  const location = verdict === 'passed' ? '' : ` (${origin})`;
  return `Gate ${gateName(gate)} ${verdict}: ${comparison(gate)}${location}.`;
}

/** `test.accuracy`, `test.accuracy over seeds` */
export function gateName({ metric, over }: Pick<GateResult, 'metric' | 'over'>): string {
  return over === 'last' ? metric : `${metric} over ${over}`;
}

/** `>= 0.96 and <= 1`; with a reference, also how the limit follows from it. */
export function requiredWords(gate: GateResult): string {
  const bounds = boundsOf(gate);
  const source = sourceOf(gate);
  if (bounds.length === 0) return source;
  const words = bounds.map(({ relation, text }) => `${relation} ${text}`).join(' and ');
  return source === '' ? words : `${words} (${source})`;
}

function comparison(gate: GateResult): string {
  const { value, reason, verdict } = gate;
  if (verdict === 'inconclusive' || value === null) {
    const why = reason ?? 'not measured';
    return `${value !== null && Number.isFinite(value) ? `${value}, ${why}` : why}; required: ${requiredWords(gate)}`;
  }
  const bounds = boundsOf(gate);
  const shown = formatMeasured(value, bounds);
  const words =
    verdict === 'passed'
      ? bounds.map(({ relation, text }) => `${relation} ${text}`)
      : bounds
          .filter(bound => !holds(value, bound))
          .map(({ relation, text }) => `${OPPOSITE[relation]} ${text}`);
  const source = sourceOf(gate);
  const because = reason === undefined ? '' : `, ${reason}`;
  return `${[shown, words.join(' and ')].filter(Boolean).join(' ')}${source === '' ? '' : `, ${source}`}${because}`;
}

/** How the limit follows from a baseline or a trivial baseline; empty for bounds of the config. */
function sourceOf({ metric, baseline, beats, by = 0, reference, max_drop, max_regress }: GateResult): string {
  const isLarger = largerIsBetter(metric);
  const of = reference === undefined ? 'the mean' : short(reference);
  if (beats !== undefined) {
    if (reference === undefined) return 'better than the trivial baseline';
    return by === 0
      ? 'the trivial baseline'
      : `${by} ${isLarger ? 'above' : 'below'} ${of} of the trivial baseline`;
  }
  if (baseline === undefined) return '';
  const slack = max_drop ?? `${percent(max_regress ?? 0)} %`;
  return `at most ${slack} ${isLarger ? 'below' : 'above'} ${of} in ${nameOf(baseline)}`;
}

function boundsOf({ metric, min, max, limit, beats, by = 0, reference }: GateResult): readonly Bound[] {
  const isLarger = largerIsBetter(metric);
  if (beats !== undefined && by === 0)
    return reference === undefined
      ? []
      : [{ relation: isLarger ? '>' : '<', limit: reference, text: short(reference) }];
  const bounds: Bound[] = [];
  if (limit !== undefined) bounds.push({ relation: isLarger ? '>=' : '<=', limit, text: short(limit) });
  if (min !== undefined) bounds.push({ relation: '>=', limit: min, text: String(min) });
  if (max !== undefined) bounds.push({ relation: '<=', limit: max, text: String(max) });
  return bounds;
}

function holds(value: number, { relation, limit }: Bound): boolean {
  if (relation === '>=') return value >= limit;
  if (relation === '<=') return value <= limit;
  return relation === '>' ? value > limit : value < limit;
}

/**
 * The baseline's name. An absolute path is meaningless on other machines, and the gate's location
 * identifies the file.
 */
function nameOf(baseline: string): string {
  return isAbsolute(baseline) ? basename(baseline) : baseline;
}

function percent(share: number): number {
  return Number((100 * share).toPrecision(15));
}

function short(value: number): string {
  return String(Number(value.toPrecision(LIMIT_DIGITS)));
}

/**
 * `value` with four significant digits, on the same side of every bound as the exact value: the
 * nearest such number, or else its neighbor. In full if it equals a bound, or if neither fits
 * between the bounds.
 */
function formatMeasured(value: number, bounds: readonly Bound[]): string {
  if (bounds.some(({ limit }) => limit === value)) return String(value);
  const unit = 10 ** (Number(value.toExponential().split('e')[1]) + 1 - VALUE_DIGITS);
  const sides = (x: number): string => bounds.map(bound => holds(x, bound)).join();
  const shown = [0, -unit, unit]
    .map(shift => Number((value + shift).toPrecision(VALUE_DIGITS)))
    .find(rounded => sides(rounded) === sides(value));
  return String(shown ?? value);
}
