/** Sentences about results: metrics, gates, baselines and cautions. */

import { basename, isAbsolute } from 'node:path';
import { OPTIMISTIC } from '../config/metrics.js';
import { largerIsBetter } from '../math/metrics/index.js';
import { isShare, percent, rounded } from '../util/numbers.js';
import type { GateResult, SplitBaselines, SplitMetrics, Summary } from './summary.js';

/** `test accuracy 97.12 %`, `test mean absolute error 0.2512`, `validation r2 0.9173`. */
export function metricSentence(split: string, metric: string, value: number): string {
  const shown = isShare(metric) ? percent(value, 2) : value.toPrecision(4);
  return `${split} ${metric.replaceAll('_', ' ')} ${shown}`;
}

export function metricSentences(split: string, { loss, ...others }: SplitMetrics): string[] {
  const told = Object.entries(others).map(([metric, value]) => metricSentence(split, metric, value));
  return loss === undefined ? told : [metricSentence(split, 'loss', loss), ...told];
}

type Relation = '>=' | '<=' | '>' | '<';

interface Bound {
  readonly relation: Relation;
  readonly limit: number;
  /** Bounds of a config in full, computed limits rounded. */
  readonly text: string;
}

const OPPOSITE: Readonly<Record<Relation, Relation>> = { '>=': '<', '<=': '>', '>': '<=', '<': '>=' };

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
  const of = reference === undefined ? 'the mean' : rounded(reference, LIMIT_DIGITS);
  if (beats !== undefined) {
    if (reference === undefined) return 'better than the trivial baseline';
    return by === 0
      ? 'the trivial baseline'
      : `${by} ${isLarger ? 'above' : 'below'} ${of} of the trivial baseline`;
  }
  if (baseline === undefined) return '';
  const slack = max_drop ?? `${rounded(100 * (max_regress ?? 0), 15)} %`;
  return `at most ${slack} ${isLarger ? 'below' : 'above'} ${of} in ${nameOf(baseline)}`;
}

function boundsOf({ metric, min, max, limit, beats, by = 0, reference }: GateResult): readonly Bound[] {
  const isLarger = largerIsBetter(metric);
  if (beats !== undefined && by === 0)
    return reference === undefined
      ? []
      : [{ relation: isLarger ? '>' : '<', limit: reference, text: rounded(reference, LIMIT_DIGITS) }];
  const bounds: Bound[] = [];
  if (limit !== undefined)
    bounds.push({ relation: isLarger ? '>=' : '<=', limit, text: rounded(limit, LIMIT_DIGITS) });
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

/** Four significant digits; in full if those are on another side of a bound. */
function formatMeasured(value: number, bounds: readonly Bound[]): string {
  const short = Number(value.toPrecision(VALUE_DIGITS));
  const isAlike = bounds.every(bound => holds(short, bound) === holds(value, bound));
  return String(isAlike && !bounds.some(({ limit }) => limit === short || limit === value) ? short : value);
}

export interface BaselineValue {
  readonly name: string;
  readonly metric: string;
  readonly value: number;
}

/** The main metric of a run: the first one besides the loss, or else the loss. */
export function mainMetric({ loss, ...others }: SplitMetrics): string | undefined {
  const [first] = Object.keys(others);
  return first ?? (loss === undefined ? undefined : 'loss');
}

export function baselineValues(reached: SplitMetrics, baselines: SplitBaselines): BaselineValue[] {
  const metric = mainMetric(reached);
  if (metric === undefined) return [];
  return Object.entries(baselines).flatMap(([name, values]) =>
    values[metric] === undefined ? [] : [{ name, metric, value: values[metric] }],
  );
}

/** The baseline that is hardest to beat; undefined if none has that metric. */
export function bestBaseline(reached: SplitMetrics, baselines: SplitBaselines): BaselineValue | undefined {
  return baselineValues(reached, baselines).reduce<BaselineValue | undefined>(
    (best, one) => (best === undefined || isBetter(one, best) ? one : best),
    undefined,
  );
}

/**
 * `Trivial baselines: test accuracy 11.35 % (majority), 40.02 % (previous).`; empty if there are
 * none.
 */
export function baselinesSentence(reached: SplitMetrics, baselines: SplitBaselines): string {
  const values = baselineValues(reached, baselines);
  if (values.length === 0) return '';
  const told = values.map(({ name, metric, value }, i) =>
    `${metricSentence(i === 0 ? 'test' : '', metric, value)} (${name})`.trim(),
  );
  return `Trivial baseline${values.length === 1 ? '' : 's'}: ${told.join(', ')}.`;
}

/** The value of `dataset.relative_to` with which a model starts from a naive forecast. */
const LEVELS: Readonly<Record<string, string>> = { last_value: 'last_value', seasonal_naive: 'season' };

/** Warnings about a completed run that learned nothing. */
export function baselineWarnings({
  status,
  metrics: { test },
  baselines,
  constant_outputs,
}: Pick<Summary, 'status' | 'metrics' | 'baselines' | 'constant_outputs'>): string[] {
  if (status !== 'completed') return [];
  const found = constant_outputs
    ? ['the model makes the same prediction for every test input: it has not learned to distinguish them']
    : [];
  const best = baselines && bestBaseline(test, baselines.test);
  if (best === undefined || isBetter({ ...best, value: test[best.metric] }, best)) return found;
  const { metric, value, name } = best;
  const reached = metricSentence('test', metric, test[metric]);
  const trivial = metricSentence('baseline', metric, value);
  const advice = Object.hasOwn(LEVELS, name)
    ? `; try \`dataset.relative_to: ${LEVELS[name]}\` if it is not set`
    : '';
  return [
    ...found,
    `the model is no better than a trivial baseline: ${reached}, ${trivial} (${name})${advice}`,
  ];
}

function isBetter(one: BaselineValue, other: BaselineValue): boolean {
  return largerIsBetter(`test.${one.metric}`) ? one.value > other.value : one.value < other.value;
}

/** What to consider about a result besides its numbers, one sentence each. */
export function cautionsOf(summary: Summary): string[] {
  const { selected_on_test = [] } = summary;
  return [...selected_on_test.map(what => `${what} is ${OPTIMISTIC}`), ...baselineWarnings(summary)];
}

/** How training ended early, or with restored weights; else null. */
export function endingOf({ stopped_early, restored }: Summary): string | null {
  const sentences = [
    ...(stopped_early ? [`training stopped early: ${stopped_early.metric} no longer improved`] : []),
    ...(restored ? [`the weights are those of step ${restored.step}, the best checkpoint`] : []),
  ];
  return sentences.length > 0 ? sentences.join('; ') : null;
}
