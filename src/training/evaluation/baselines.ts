/**
 * Trivial baselines: what answers reach that look at no input. They are fitted on the training
 * split, and measured on another split exactly as a model is:
 *
 *     majority   log of the share of each class, or label: the most frequent class, by its prior
 *     previous   of targets per step: the class of the step before; majority at the first
 *     mean       of each target
 *     median     of each target, with `mae` and `huber`, whose best constant it is
 *     quantiles  of each target, with `quantile`, likewise
 *     last_value, seasonal_naive  of forecasts: the last value that is known, or that of the season
 *                before (`Split.naive`)
 */
import { lossFacts, type MeasuredMetric, targetSize } from '../../config/index.js';
import {
  type Dataset,
  eachChunk,
  IGNORED,
  type NaiveForecast,
  type Split,
  type Targets,
} from '../../data/index.js';
import type { BaselineName, SplitBaselines, SplitMetrics } from '../../experiment/summary.js';
import { lossOf } from '../../losses/index.js';
import { accumulator } from '../../metrics/index.js';
import { Readout } from '../step/readout.js';
import type { ModelRun } from '../step/shards.js';
import { meanLoss } from './constant-loss.js';

type Classes = Extract<Targets, { kind: 'class' }>;
type Values = Extract<Targets, { kind: 'value' }>;

/** What baselines depend on besides the data. */
export type BaselineSubject = Pick<ModelRun, 'loss' | 'metrics' | 'spec'>;

/** An answer that is the same for every input. */
interface Constant {
  /** [C], in the model's own units. */
  readonly outputs: Float32Array;
  /** Whether it gives some class or label the probability 0, which a smoothed loss asks of all. */
  readonly hasZero?: boolean;
  /** Whether it gives every target of a split a probability above 0; absent if any target is. */
  isPossible?(targets: Targets): boolean;
}

/** Stands for log 0, and 1e4 for the logit of 1: no sum of these is NaN. */
const LOG_OF_ZERO = -1e4;

/** The baselines of a split, fitted on the training split of its dataset. */
export function trivialBaselines(run: BaselineSubject, { train }: Dataset, split: Split): SplitBaselines {
  const { targets } = split;
  const measure = (constant: Constant): SplitMetrics => {
    const { outputs, hasZero = false } = constant;
    const isPossible = constant.isPossible?.(targets) ?? true;
    const hasLoss = isPossible && !(hasZero && isSmoothed(run.loss));
    return {
      ...(hasLoss && finite('loss', meanLoss(run.loss, outputs, targets))),
      // `LOG_OF_ZERO` would make them finite
      ...measured(
        run,
        split,
        () => outputs,
        run.metrics.filter(name => isPossible || !OF_LIKELIHOOD.has(name)),
      ),
    };
  };
  const found: [BaselineName, SplitMetrics][] = constants(run, train.targets).map(([name, constant]) => [
    name,
    measure(constant),
  ]);
  if (targets.kind === 'class' && targets.perStep) {
    const [[, first]] = constants(run, train.targets);
    // one class without probabilities has no other metrics
    const metrics = run.metrics.filter(name => OF_DECISIONS.has(name));
    const answers = stepBefore(targets, split.count, first.outputs);
    found.push(['previous', measured(run, split, answers, metrics)]);
  }
  for (const name of ['last_value', 'seasonal_naive'] as const) {
    if (split.naive?.[name] === undefined) continue;
    const answers: Answers = at => naiveOutputs(split, name, at, run.spec.outputSize);
    found.push([name, measured(run, split, answers, run.metrics)]);
  }
  return Object.fromEntries(found);
}

function constants({ loss, spec }: BaselineSubject, train: Targets): [BaselineName, Constant][] {
  const { outputSize } = spec;
  if (train.kind === 'class') return [['majority', classPrior(train, outputSize)]];
  if (lossFacts(loss).task === 'labels') return [['majority', labelPrior(train)]];
  const columns = Array.from({ length: train.size }, (_, i) =>
    train.values.filter((value, at) => at % train.size === i && !Number.isNaN(value)),
  );
  const perTarget = outputSize / train.size;
  const outputs = (of: (column: Float32Array, which: number) => number): Constant => ({
    outputs: Float32Array.from({ length: outputSize }, (_, i) =>
      of(columns[Math.floor(i / perTarget)], i % perTarget),
    ),
  });
  const constant: [BaselineName, Constant][] = [['mean', outputs(meanOf)]];
  if (loss.kind === 'mae' || loss.kind === 'huber')
    constant.push(['median', outputs(column => quantileOf(column, 0.5))]);
  if (loss.kind === 'quantile') {
    const { quantiles = [0.1, 0.5, 0.9] } = loss;
    constant.push(['quantiles', outputs((column, which) => quantileOf(column, quantiles[which]))]);
  }
  return constant;
}

function classPrior({ values }: Classes, classes: number): Constant {
  const counts = new Float64Array(classes);
  eachChunk(values, 1, labels => {
    for (const label of labels) if (label !== IGNORED) counts[label]++;
  });
  const total = counts.reduce((sum, count) => sum + count, 0);
  return {
    outputs: Float32Array.from(counts, count => (count === 0 ? LOG_OF_ZERO : Math.log(count / total))),
    hasZero: counts.includes(0),
    isPossible: split =>
      split.kind !== 'class' || isEach(split.values, label => label === IGNORED || counts[label] > 0),
  };
}

function labelPrior({ values: all, size }: Values): Constant {
  const values = all.filter(value => !Number.isNaN(value));
  const sums = new Float64Array(size);
  values.forEach((label, at) => {
    sums[at % size] += label;
  });
  // divided last, so that labels which are all 1 have the share 1
  const shares = sums.map(sum => (sum * size) / values.length);
  const logit = (share: number) =>
    Math.max(LOG_OF_ZERO, Math.min(-LOG_OF_ZERO, Math.log(share / (1 - share))));
  return {
    outputs: Float32Array.from(shares, logit),
    isPossible: split =>
      isEach(split.values, (label, at) => {
        const share = shares[at % size];
        return Number.isNaN(label) || ((share > 0 || label === 0) && (share < 1 || label === 1));
      }),
  };
}

function isEach(values: Iterable<number>, is: (value: number, at: number) => boolean): boolean {
  let at = 0;
  for (const value of values) if (!is(value, at++)) return false;
  return true;
}

function meanOf(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function isSmoothed(loss: BaselineSubject['loss']): boolean {
  return loss.kind === 'cross_entropy' && (loss.label_smoothing ?? 0) > 0;
}

/** Linear between the two nearest values, as NumPy's default. */
function quantileOf(values: Float32Array, quantile: number): number {
  const sorted = values.toSorted();
  const at = quantile * (sorted.length - 1);
  const below = Math.floor(at);
  const above = sorted[Math.min(below + 1, sorted.length - 1)];
  return sorted[below] + (at - below) * (above - sorted[below]);
}

/**
 * The outputs for each prediction of a split, by its position; one without outputs does not count.
 * A view that is good until the next.
 */
type Answers = (at: number) => Float32Array | undefined;

function stepBefore({ values }: Classes, count: number, first: Float32Array): Answers {
  const steps = values.length / count;
  const answer = new Float32Array(first.length);
  let known = 0;
  return at => {
    // the last class that is known, which need not be that of the step before
    const earlier = values.subarray(at - (at % steps), at);
    const before = earlier.findLastIndex(label => label !== IGNORED);
    if (before < 0) return first;
    answer[known] = 0;
    known = earlier[before];
    answer[known] = 1;
    return answer;
  };
}

/**
 * What a model of `size` outputs would put out for the naive forecast `name` of prediction `at`;
 * undefined if there is none.
 */
export function naiveOutputs(
  { naive }: Split,
  name: NaiveForecast,
  at: number,
  size: number,
): Float32Array | undefined {
  const values = naive?.[name]?.(at);
  const each = size / (values?.length ?? 1);
  return values && Float32Array.from({ length: size }, (_, i) => values[Math.floor(i / each)]);
}

/** Metrics that are infinite if a target has the probability 0. */
const OF_LIKELIHOOD: ReadonlySet<MeasuredMetric> = new Set(['perplexity', 'bits_per_symbol']);

/** Metrics of the class that is decided for alone. */
const OF_DECISIONS: ReadonlySet<MeasuredMetric> = new Set(['accuracy', 'precision', 'recall', 'f1']);

/** Whether prediction `at` of a split does not count. */
function isIgnored(targets: Targets, at: number): boolean {
  return targets.kind === 'class'
    ? targets.values.subarray(at, at + 1)[0] === IGNORED
    : Number.isNaN(targets.values[at * targets.size]);
}

function measured(
  { loss, spec }: BaselineSubject,
  { targets, errorScale, count }: Split,
  answers: Answers,
  names: readonly MeasuredMetric[],
): SplitMetrics {
  const { task } = lossFacts(loss);
  const gathered = names.map(
    name => [name, accumulator(task, name, targetSize(loss, spec.outputSize))] as const,
  );
  const readout = new Readout(lossOf(loss), targets);
  const width = targets.kind === 'value' ? targets.size : 1;
  const predictions = targets.values.length / width;
  for (let at = 0; at < predictions; at++) {
    if (isIgnored(targets, at)) continue;
    const outputs = answers(at);
    if (outputs === undefined) continue;
    const scored = {
      outputs,
      point: readout.point(outputs, at),
      target: readout.target(at),
      errorScale: errorScale?.(Math.floor((at * count) / predictions)),
    };
    for (const [, metric] of gathered) metric.add(scored);
  }
  return Object.assign({}, ...gathered.map(([name, { value }]) => finite(name, value)));
}

function finite(name: string, value: number | undefined): SplitMetrics {
  return value !== undefined && Number.isFinite(value) ? { [name]: value } : {};
}
