/**
 * Judges gates in runs and reviews, and says so. A metric that was not measured or is not finite
 * never passes.
 */
import { basename, isAbsolute } from '../host/index.js';
import { largerIsBetter, rangeOf } from '../math/metrics/index.js';
import { rounded } from '../util/numbers.js';
import type { Verdict } from './events.js';
import { metricsIn } from './log.js';
import type { BySplit, GateResult, SplitMetrics, Summary } from './summary.js';

export type WrittenGate = Omit<GateResult, 'value' | 'limit' | 'verdict' | 'reason'>;
export type Gate = Omit<WrittenGate, 'origin' | 'reference'>;

export type Metrics = BySplit<SplitMetrics>;

export function metricValue(metrics: Metrics, name: string): number | undefined {
  const [split, metric] = name.split('.');
  return metrics[split as keyof Metrics]?.[metric];
}

export type Measured = Pick<Summary, 'metrics' | 'baselines' | 'ms_per_step' | 'step_ratio' | 'peak_rss_mb'>;

export function lastValue(measured: Measured, metric: string): number | undefined {
  const [split, name] = metric.split('.');
  if (split !== 'performance') return metricValue(measured.metrics, metric);
  return measured[name as 'ms_per_step' | 'step_ratio' | 'peak_rss_mb'] ?? undefined;
}

const NEEDS_SEEDS = 'a mean over seeds needs at least two; `run --repeat` and `review` check it';
const NEEDS_FOLDS = 'a single run has one fold; `folds` and `review` check it';

/** True for gates over several runs. */
export function isOverRuns({ over }: Pick<Gate, 'over'>): boolean {
  return over === 'seeds' || over === 'folds' || over === 'interval';
}

/** The verdicts of one run. `best` returns the best value of a metric over the evaluations. */
export function judgeRun(
  gates: readonly WrittenGate[],
  measured: Measured,
  best: (metric: string) => number | undefined,
): GateResult[] {
  return gates.map(written => {
    const trivial = written.beats && hardestTrivial(written.metric, measured.baselines);
    const gate = trivial ? { ...written, reference: trivial.value } : written;
    if (isOverRuns(gate)) return inconclusive(gate, null, gate.over === 'seeds' ? NEEDS_SEEDS : NEEDS_FOLDS);
    return judgeGate(gate, gate.over === 'best' ? best(gate.metric) : lastValue(measured, gate.metric));
  });
}

/** The verdict on `value`, which is undefined if it was not measured. */
export function judgeGate(gate: WrittenGate, value: number | undefined): GateResult {
  if (value === undefined) return inconclusive(gate, null, 'it was not measured');
  if (!Number.isFinite(value)) return inconclusive(gate, value, `it is ${value}`);
  const limit = limitOf(gate);
  if (limit === undefined && gate.beats !== undefined)
    return inconclusive(gate, value, 'no trivial baseline has this metric');
  if (limit === undefined && gate.baseline !== undefined)
    return inconclusive(gate, value, 'the baseline does not have this metric');
  const reached = boundsOf(gate).every(bound => holds(value, bound));
  return { ...result(gate, value, reached ? 'passed' : 'failed'), ...(limit !== undefined && { limit }) };
}

interface Bound {
  readonly relation: '>=' | '<=' | '>' | '<';
  readonly limit: number;
  /** Bounds of a config in full, computed limits rounded. */
  readonly text: string;
}

/** What a value must hold, as far as it is known. */
function boundsOf(gate: WrittenGate): readonly Bound[] {
  const { metric, min, max, beats, by = 0 } = gate;
  const limit = limitOf(gate);
  // a trivial baseline has to be beaten, not only reached, unless nothing is better
  const equal = beats !== undefined && by === 0 && limit !== bestPossible(metric) ? '' : '=';
  const bounds: Bound[] = [];
  if (limit !== undefined)
    bounds.push({
      relation: largerIsBetter(metric) ? `>${equal}` : `<${equal}`,
      limit,
      text: rounded(limit, LIMIT_DIGITS),
    });
  if (min !== undefined) bounds.push({ relation: '>=', limit: min, text: String(min) });
  if (max !== undefined) bounds.push({ relation: '<=', limit: max, text: String(max) });
  return bounds;
}

/**
 * The worst value that a baseline allows: its mean minus (plus, if smaller is better) `max_drop`,
 * or `max_regress` times its absolute value. For a trivial baseline, its value plus `by`, at most
 * the best possible value: a model that has learned all there is passes.
 */
function limitOf(gate: WrittenGate): number | undefined {
  const { metric, reference, beats, by = 0, max_drop, max_regress = 0 } = gate;
  if (reference === undefined) return undefined;
  const isLarger = largerIsBetter(metric);
  if (beats !== undefined)
    return isLarger
      ? Math.min(reference + by, bestPossible(metric))
      : Math.max(reference - by, bestPossible(metric));
  const slack = max_drop ?? max_regress * Math.abs(reference);
  return isLarger ? reference - slack : reference + slack;
}

function bestPossible(metric: string): number {
  const { min, max } = rangeOf(metric);
  return largerIsBetter(metric) ? max : min;
}

function holds(value: number, { relation, limit }: Bound): boolean {
  if (relation === '>=') return value >= limit;
  if (relation === '<=') return value <= limit;
  return relation === '>' ? value > limit : value < limit;
}

/** The trivial baselines of the split that have the metric, such as `test.loss`. */
export function trivialValues(metric: string, baselines: Measured['baselines']) {
  const [split, name] = metric.split('.');
  const known = split === 'validation' || split === 'test' ? baselines?.[split] : undefined;
  return Object.entries(known ?? {}).flatMap(([baseline, { [name]: value }]) =>
    value === undefined ? [] : [{ name: baseline, value }],
  );
}

export function hardestTrivial(metric: string, baselines: Measured['baselines']) {
  const sign = largerIsBetter(metric) ? 1 : -1;
  return trivialValues(metric, baselines)
    .toSorted((a, b) => sign * (b.value - a.value))
    .at(0);
}

export function inconclusive(gate: WrittenGate, value: number | null, reason: string): GateResult {
  return { ...result(gate, value, 'inconclusive'), reason };
}

/** Gates that keep a run from exit 0. Gates over several runs cannot be judged by a single one. */
export function missedIn(gates: readonly GateResult[]): GateResult[] {
  return gates.filter(gate => !isOverRuns(gate) && gate.verdict !== 'passed');
}

function result(
  { metric, over, origin, ...given }: WrittenGate & Partial<GateResult>,
  value: number | null,
  verdict: Verdict,
): GateResult {
  // a recorded gate that is judged again
  const { value: _value, verdict: _verdict, limit: _limit, reason: _reason, ...asked } = given;
  return { metric, over, value, ...asked, verdict, origin };
}

export class BestValues {
  private readonly values = new Map<string, number>();

  add(metric: string, value: unknown): void {
    if (typeof value !== 'number' || !Number.isFinite(value)) return;
    const best = this.values.get(metric);
    if (best === undefined || (largerIsBetter(metric) ? value > best : value < best))
      this.values.set(metric, value);
  }

  addAll(split: string, metrics: SplitMetrics): void {
    for (const [name, value] of Object.entries(metrics)) this.add(`${split}.${name}`, value);
  }

  addEvent(event: { readonly event: string; readonly [field: string]: unknown }): void {
    const split = event.event === 'train.epoch' ? 'train' : event.event === 'eval' ? event.split : undefined;
    if (split === undefined) return;
    for (const name of metricsIn(event)) this.add(`${split}.${name}`, event[name]);
  }

  get(metric: string): number | undefined {
    return this.values.get(metric);
  }
}

const OPPOSITE = { '>=': '<', '<=': '>', '>': '<=', '<': '>=' } as const;

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
function sourceOf(gate: GateResult): string {
  const { metric, baseline, beats, by = 0, reference, max_drop, max_regress } = gate;
  const isLarger = largerIsBetter(metric);
  const against = reference === undefined ? 'the mean' : rounded(reference, LIMIT_DIGITS);
  if (beats !== undefined) {
    if (reference === undefined) return 'better than the trivial baseline';
    if (limitOf(gate) === bestPossible(metric))
      return `the best possible value, since the trivial baseline has ${against}`;
    return by === 0
      ? 'the trivial baseline'
      : `${by} ${isLarger ? 'above' : 'below'} ${against} of the trivial baseline`;
  }
  if (baseline === undefined) return '';
  const slack = max_drop ?? `${rounded(100 * (max_regress ?? 0), 15)} %`;
  return `at most ${slack} ${isLarger ? 'below' : 'above'} ${against} in ${nameOf(baseline)}`;
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
