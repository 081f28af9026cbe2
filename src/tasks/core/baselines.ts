/**
 * Trivial baselines: scores of predictions that ignore the input, or all of it but a symbol or two.
 * Fitted on the training split and scored on another split, like a model:
 *
 *     majority   log of each class's (or label's) fraction: predicts the most frequent class; the
 *                most frequent target if targets are sequences
 *     previous   with targets per step: the class of the previous step; majority at the first
 *     mean       mean of each target
 *     median     median of each target: the best constant for `mae`, a robust one for `huber`
 *     quantiles  quantiles of each target: the best constants for `quantile`
 *     by_symbol  with symbols and a class per step: the most frequent class of the step's symbol
 *                (of the first embedded column)
 *     ngram      language models: see `classes/ngram.ts`
 *     last_value, drift, seasonal_naive, season_mean  forecasts only (`Split.naive`)
 */
import { type Dataset, NAIVE_FORECASTS, type NaiveForecast, type Split } from '../../data/core/dataset.js';
import { isIgnored, numbersOfTarget, type Targets } from '../../data/core/targets.js';
import { interpret } from '../../math/graph/interpret.js';
import { Graph } from '../../math/graph/node.js';
import { type LossSettings, lossOf, targetSize, taskOf } from '../../math/losses/index.js';
import { isOfSequences } from '../../math/losses/loss.js';
import {
  accumulators,
  isOfIntervals,
  isOfLikelihood,
  type MeasuredMetric,
} from '../../math/metrics/index.js';
import type { BaselineName } from './facts.js';
import type { TaskModel } from './prediction.js';
import type { Readout } from './readout.js';

export type BaselineSubject = Pick<TaskModel, 'loss' | 'metrics' | 'spec'>;

/** Metrics by name, without those that are not finite. */
export type BaselineMetrics = Readonly<Record<string, number>>;

/** Scores of one baseline over all splits that were added; undefined if they do not have it. */
export interface Scorer {
  add(split: Split): void;
  readonly scores: BaselineMetrics | undefined;
}

export type NamedScorer = readonly [name: BaselineName, scorer: Scorer];

/** Fits the baselines of a task on the training split. Each call of the result begins anew. */
export type BaselineFit = (run: BaselineSubject, dataset: Dataset) => () => readonly NamedScorer[];

/** Reads the predictions of baselines like those of a model. */
export type ReadoutOf = (targets: Targets) => Readout;

/** Used for log 0 (and its negative for the logit of 1), so that sums never become NaN. */
export const LOG_OF_ZERO = -1e4;

/** A view that is valid until the next call; undefined for predictions that are not scored. */
export type OutputsAt = (at: number) => Float32Array | undefined;

/** Scores the outputs of `outputsFor` like those of a model. */
export function scorer(
  { loss, spec }: BaselineSubject,
  names: readonly MeasuredMetric[],
  readoutOf: ReadoutOf,
  outputsFor: (split: Split) => OutputsAt,
): Scorer {
  const metrics = accumulators(taskOf(loss), names, targetSize(loss, spec.outputSize));
  return {
    add(split) {
      const { targets, errorScale, count } = split;
      const outputsAt = outputsFor(split);
      const readout = readoutOf(targets);
      const predictions = targets.values.length / numbersOfTarget(targets);
      for (let at = 0; at < predictions; at++) {
        if (isIgnored(targets, at)) continue;
        const outputs = outputsAt(at);
        if (outputs === undefined) continue;
        const scale = errorScale?.(Math.floor((at * count) / predictions));
        metrics.add({ ...readout.scored(outputs, at), errorScale: scale });
      }
    },
    get scores() {
      return finiteOf(metrics.values);
    },
  };
}

/** A prediction that is the same for every input, and what its loss and likelihood depend on. */
export interface ConstantPrediction {
  readonly name: BaselineName;
  /** [C]. */
  readonly outputs: Float32Array;
  /** Absent if it has no loss. */
  readonly loss?: ConstantLoss | undefined;
  /** False if `LOG_OF_ZERO` would make a loss finite although it is infinite; absent: true. */
  hasProbability?(targets: Targets): boolean;
}

export interface ConstantLoss {
  add(targets: Targets): void;
  /** NaN if no prediction counts. */
  readonly mean: number;
}

export function constantScorer(
  run: BaselineSubject,
  { name, outputs, loss, hasProbability }: ConstantPrediction,
  readoutOf: ReadoutOf,
): Scorer {
  const metrics = run.metrics.filter(metric => name === 'quantiles' || !isOfIntervals(metric));
  const measured = scorer(run, metrics, readoutOf, () => () => outputs);
  let isPossible = true;
  return {
    add(split) {
      isPossible &&= hasProbability?.(split.targets) ?? true;
      loss?.add(split.targets);
      measured.add(split);
    },
    get scores() {
      const all = { ...(loss && finite('loss', loss.mean)), ...measured.scores };
      const defined = Object.entries(all).filter(([metric]) => isPossible || !isOfLikelihood(metric));
      return Object.fromEntries(defined);
    },
  };
}

/** The naive forecasts, of splits that have some. */
export function naiveScorers(run: BaselineSubject, readoutOf: ReadoutOf): readonly NamedScorer[] {
  return NAIVE_FORECASTS.map(name => [name, naiveScorer(run, name, readoutOf)]);
}

function naiveScorer(run: BaselineSubject, name: NaiveForecast, readoutOf: ReadoutOf): Scorer {
  const metrics = run.metrics.filter(metric => !isOfIntervals(metric));
  const { outputSize } = run.spec;
  const measured = scorer(run, metrics, readoutOf, split => at => naiveOutputs(split, name, at, outputSize));
  return {
    add(split) {
      if (split.naive?.[name] !== undefined) measured.add(split);
    },
    get scores() {
      const { scores } = measured;
      return Object.keys(scores ?? {}).length > 0 ? scores : undefined;
    },
  };
}

/**
 * The naive forecast `name` of prediction `at` as `size` model outputs; undefined if there is none.
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

export function finiteOf(values: BaselineMetrics): BaselineMetrics {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isFinite(value)));
}

export function finite(name: string, value: number): BaselineMetrics {
  return Number.isFinite(value) ? { [name]: value } : {};
}

export function isSmoothed(loss: LossSettings): boolean {
  return loss.kind === 'cross_entropy' && (loss.label_smoothing ?? 0) > 0;
}

/** Maximum elements of a tensor: rows are computed in chunks. */
const MAX_NUMBERS = 2 ** 20;

/** A sum of losses, and of their weights. */
export interface LossSum {
  sum: number;
  weight: number;
}

/**
 * Adds the losses of `outputs` [C] as the prediction for each target.
 * @param given the targets, one after the other
 * @param countOf how often a target occurs
 */
export function addLosses(
  total: LossSum,
  settings: LossSettings,
  outputs: Float32Array,
  given: Float64Array,
  countOf: (target: number) => number = () => 1,
): void {
  const loss = lossOf(settings);
  if (isOfSequences(loss)) throw new Error(`${settings.kind} has no loss of single predictions`);
  const size = outputs.length;
  const axis = loss.targetWidth(size);
  const width = axis ?? 1;
  const constants = loss.constants?.(size) ?? {};
  const most = Math.max(1, Math.floor(MAX_NUMBERS / size));
  for (let from = 0; from < given.length / width; from += most) {
    const length = Math.min(most, given.length / width - from);
    const graph = new Graph();
    const inputs = Object.entries(constants).map(([name, values]) => [
      name,
      graph.input(name, [values.length]),
    ]);
    const rows = loss.rows(
      graph.input('outputs', [length, size]),
      graph.input('targets', axis === null ? [length] : [length, width]),
      Object.fromEntries(inputs),
    );
    const tensors = interpret([rows], {
      ...constants,
      outputs: Float64Array.from({ length: length * size }, (_, i) => outputs[i % size]),
      targets: given.subarray(from * width, (from + length) * width),
    });
    tensors.get(rows)?.data.forEach((row, i) => {
      const target = given[(from + i) * width];
      const count = countOf(target);
      total.sum += count * row;
      total.weight += count * loss.weight(size, target);
    });
  }
}

/** The loss of a constant prediction of numbers: each number counts once. */
export function lossOfNumbers(settings: LossSettings, outputs: Float32Array): ConstantLoss {
  const total: LossSum = { sum: 0, weight: 0 };
  const width = lossOf(settings).targetWidth(outputs.length) ?? 1;
  return {
    add: targets => addLosses(total, settings, outputs, repeated(targets, width)),
    get mean() {
      return total.sum / total.weight;
    },
  };
}

/** The known targets; each number is repeated for the outputs of the loss that predict it. */
function repeated(targets: Targets, width: number): Float64Array {
  const size = numbersOfTarget(targets);
  // ignored targets are NaN in every element
  const known = Array.from(targets.values).filter(value => !Number.isNaN(value));
  const each = width / size;
  const numberOf = (i: number) => known[Math.floor(i / width) * size + Math.floor((i % width) / each)];
  return Float64Array.from({ length: known.length * each }, (_, i) => numberOf(i));
}

export function isEach(values: Iterable<number>, is: (value: number, at: number) => boolean): boolean {
  let at = 0;
  for (const value of values) if (!is(value, at++)) return false;
  return true;
}
