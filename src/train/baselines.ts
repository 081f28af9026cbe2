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
 *     ngram      language models: see `ngram.ts`
 *     last_value, drift, seasonal_naive, season_mean  forecasts only (`Split.naive`)
 */
import {
  type Dataset,
  eachChunk,
  embedsSteps,
  IGNORED,
  inputWidth,
  NAIVE_FORECASTS,
  type NaiveForecast,
  numberCount,
  type SequenceInput,
  type SequenceTargets,
  type Split,
  symbolsOfTarget,
  type Targets,
} from '../data/index.js';
import { interpret } from '../math/graph/interpret.js';
import { Graph } from '../math/graph/node.js';
import { type LossSettings, lossKind, lossOf, targetSize, taskOf } from '../math/losses/index.js';
import type { LossOfPredictions } from '../math/losses/loss.js';
import {
  accumulators,
  hasTrivial,
  isOfDecisions,
  isOfIntervals,
  isOfLikelihood,
  type MeasuredMetric,
} from '../math/metrics/index.js';
import { predictedClass } from '../math/metrics/metric.js';
import { numbersPerStep } from '../math/model/spec.js';
import type { BaselineName, SplitBaselines, SplitMetrics } from '../run/summary.js';
import { meanOf } from '../util/numbers.js';
import { inputDigests } from './evaluator.js';
import { ContextCounts, Trigrams } from './ngram.js';
import { Readout } from './readout.js';
import type { ModelRun } from './shards.js';

type Classes = Extract<Targets, { kind: 'class' }>;
type Numbers = Extract<Targets, { kind: 'value' }>;
/** Targets of single predictions. */
type ScoredTargets = Classes | Numbers;

export type BaselineSubject = Pick<ModelRun, 'loss' | 'metrics' | 'spec'>;

/** Used for log 0 (and its negative for the logit of 1), so that sums never become NaN. */
const LOG_OF_ZERO = -1e4;

/** Fits the baselines on the training split. Returns the function that scores them on a split. */
export function trivialBaselines(run: BaselineSubject, dataset: Dataset): (split: Split) => SplitBaselines {
  const begin = fitBaselines(run, dataset);
  return split => {
    const scores = begin();
    scores.add(split);
    return scores.all;
  };
}

/** Scores of the baselines over all splits that were added, such as the batches of an input. */
export interface BaselineScores {
  add(split: Split): void;
  readonly all: SplitBaselines;
}

/** Fits the baselines on the training split. Each call of the function starts new scores. */
export function fitBaselines(run: BaselineSubject, dataset: Dataset): () => BaselineScores {
  const { targets } = dataset.train;
  if (targets.kind === 'sequence') {
    const guess = mostFrequent(targets);
    return () => scoresOf([['majority', guessScorer(run, dataset, guess)]]);
  }
  const priors = constants(run, targets);
  const [[, first]] = priors;
  const ofSymbols = symbolBaseline(run, dataset, first);
  const hasSteps = targets.kind === 'class' && targets.perStep;
  return () => {
    const baselines: (readonly [BaselineName, Scorer])[] = priors.map(([name, outputs]) => [
      name,
      constantScorer(run, name, outputs),
    ]);
    if (hasSteps)
      baselines.push(['previous', scorer(run, decisionsIn(run), split => stepBefore(split, first))]);
    for (const name of NAIVE_FORECASTS) baselines.push([name, naiveScorer(run, name)]);
    if (ofSymbols) baselines.push(ofSymbols());
    return scoresOf(baselines);
  };
}

function scoresOf(baselines: readonly (readonly [BaselineName, Scorer])[]): BaselineScores {
  return {
    add: split => {
      for (const [, one] of baselines) one.add(split);
    },
    get all() {
      const scored = baselines.map(([name, { scores }]) => [name, scores] as const);
      return Object.fromEntries(scored.filter(([, scores]) => scores !== undefined));
    },
  };
}

/** Scores of one baseline over all splits that were added; undefined if they do not have it. */
interface Scorer {
  add(split: Split): void;
  readonly scores: SplitMetrics | undefined;
}

/** The first of equally frequent ones. */
function mostFrequent(targets: SequenceTargets): Int32Array {
  const counts = new Map<string, { readonly symbols: Int32Array; count: number }>();
  for (let index = 0; index * targets.size < targets.values.length; index++) {
    const symbols = symbolsOfTarget(targets, index);
    const known = counts.get(symbols.join());
    if (known) known.count++;
    else counts.set(symbols.join(), { symbols, count: 1 });
  }
  return [...counts.values()].reduce((a, b) => (b.count > a.count ? b : a)).symbols;
}

/** Scores of `guess` as the prediction for every input. */
function guessScorer(
  { loss, metrics, spec }: BaselineSubject,
  { sequenceLength }: Dataset,
  guess: Int32Array,
): Scorer {
  const task = taskOf(loss);
  const names = metrics.filter(name => hasTrivial(task, name));
  const gathered = accumulators(task, names, spec.outputSize);
  return {
    add(split) {
      const inputOf = inputDigests(split, sequenceLength, numbersPerStep(spec));
      for (let index = 0; index < split.count; index++) {
        const target = symbolsOfTarget(split.targets as SequenceTargets, index);
        gathered.add({ outputs: guess, point: guess, target, input: inputOf(index) });
      }
    },
    get scores() {
      return finiteOf(gathered.values);
    },
  };
}

function constantScorer(run: BaselineSubject, name: BaselineName, outputs: Float32Array): Scorer {
  const metrics = run.metrics.filter(metric => name === 'quantiles' || !isOfIntervals(metric));
  const measured = scorer(run, metrics, () => () => outputs);
  // a smoothed loss needs the probabilities of all classes
  const hasLoss = !(isSmoothed(run.loss) && outputs.includes(LOG_OF_ZERO));
  const loss = hasLoss ? new ConstantLoss(run.loss, outputs) : undefined;
  let isPossible = true;
  return {
    add(split) {
      isPossible &&= taskOf(run.loss) === 'values' || hasProbability(split.targets, outputs);
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

function naiveScorer(run: BaselineSubject, name: NaiveForecast): Scorer {
  const metrics = run.metrics.filter(metric => !isOfIntervals(metric));
  const measured = scorer(run, metrics, split => at => naiveOutputs(split, name, at, run.spec.outputSize));
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

/** A single predicted class has no probabilities, so only these metrics are defined. */
function decisionsIn({ metrics }: BaselineSubject): MeasuredMetric[] {
  return metrics.filter(isOfDecisions);
}

/** The symbols and the classes of a sequence, `[T]`; valid until the next call. */
type StepsAt = (index: number) => { readonly symbols: Float32Array; readonly classes: Int32Array };

/** @param input of several embedded columns, the first is read */
function stepsAt({ count, targets: { values }, read }: Split, input: SequenceInput): StepsAt {
  const steps = values.length / count;
  const width = inputWidth(input);
  const row = new Float32Array(steps * width);
  const symbols = new Float32Array(steps);
  return index => {
    read(index, row, 0, width);
    for (let step = 0; step < steps; step++) symbols[step] = row[step * width + numberCount(input)];
    return { symbols, classes: (values as Classes['values']).subarray(index * steps, (index + 1) * steps) };
  };
}

/** The baseline of steps that are symbols and have classes; undefined for other data. */
function symbolBaseline(
  run: BaselineSubject,
  { input, train, classLabels, vocabulary }: Dataset,
  prior: Float32Array,
): (() => readonly [BaselineName, Scorer]) | undefined {
  const { targets, count } = train;
  if (!embedsSteps(input) || targets.kind !== 'class' || !targets.perStep) return undefined;
  const classes = run.spec.outputSize;
  const sequenceAt = stepsAt(train, input);
  // the classes of a language model are its symbols
  if (vocabulary !== undefined && classLabels === vocabulary.symbols) {
    const model = new Trigrams(classes);
    for (let index = 0; index < count; index++) {
      const { symbols, classes: next } = sequenceAt(index);
      model.add(symbols, next.filter(isClass));
    }
    model.end();
    return () => ['ngram', trigramScorer(run, input, model)];
  }
  const counts = new ContextCounts(classes);
  for (let index = 0; index < count; index++) {
    const { symbols, classes: own } = sequenceAt(index);
    for (const [step, label] of own.entries()) if (isClass(label)) counts.add(symbols[step], label);
  }
  const best = counts.largest((_context, _label, entry) => counts.counts[entry]);
  const majority = predictedClass(prior);
  const predict = (symbols: Float32Array, step: number) => best.get(symbols[step]) ?? majority;
  return () => ['by_symbol', scorer(run, decisionsIn(run), split => decided(run, split, input, predict))];
}

function isClass(label: number): boolean {
  return label !== IGNORED;
}

/** Outputs that are 1 for the class that is predicted for a step of symbols, else 0. */
function decided(
  { spec }: BaselineSubject,
  split: Split,
  input: SequenceInput,
  predict: (symbols: Float32Array, step: number, label: number) => number,
): OutputsAt {
  const sequenceAt = stepsAt(split, input);
  const steps = split.targets.values.length / split.count;
  const outputs = new Float32Array(spec.outputSize);
  let latest = { index: -1, ...sequenceAt(0) };
  let known = 0;
  return at => {
    const [index, step] = [Math.floor(at / steps), at % steps];
    if (index !== latest.index) latest = { index, ...sequenceAt(index) };
    outputs[known] = 0;
    known = predict(latest.symbols, step, latest.classes[step]);
    outputs[known] = 1;
    return outputs;
  };
}

/** With a likelihood: the probabilities are those of all classes. */
function trigramScorer(run: BaselineSubject, input: SequenceInput, model: Trigrams): Scorer {
  let [sum, count] = [0, 0];
  const predict = (symbols: Float32Array, step: number, label: number) => {
    const before = step === 0 ? undefined : symbols[step - 1];
    sum -= Math.log(model.probability(before, symbols[step], label));
    count++;
    return model.predict(before, symbols[step]);
  };
  const decisions = scorer(run, decisionsIn(run), split => decided(run, split, input, predict));
  const { loss: settings, metrics } = run;
  const isPlain = settings.kind === 'cross_entropy' && !settings.class_weights && !isSmoothed(settings);
  return {
    add: decisions.add,
    get scores() {
      const loss = sum / count;
      return {
        ...(isPlain && finite('loss', loss)),
        ...decisions.scores,
        ...(metrics.includes('perplexity') && finite('perplexity', Math.exp(loss))),
        ...(metrics.includes('bits_per_symbol') && finite('bits_per_symbol', loss / Math.LN2)),
      };
    },
  };
}

/** Constant predictions [C], in the model's units. */
function constants({ loss, spec }: BaselineSubject, train: ScoredTargets): [BaselineName, Float32Array][] {
  const { outputSize } = spec;
  if (train.kind === 'class') return [['majority', classPrior(train, outputSize)]];
  if (taskOf(loss) === 'labels') return [['majority', labelPrior(train)]];
  const columns = Array.from({ length: train.size }, (_, i) =>
    train.values.filter((value, at) => at % train.size === i && !Number.isNaN(value)),
  );
  const perTarget = outputSize / train.size;
  const outputs = (of: (column: Float32Array, which: number) => number) =>
    Float32Array.from({ length: outputSize }, (_, i) =>
      of(columns[Math.floor(i / perTarget)], i % perTarget),
    );
  const constant: [BaselineName, Float32Array][] = [['mean', outputs(meanOf)]];
  const { bestConstant } = lossKind(loss);
  const { quantiles: predicted = [] } = lossOf(loss);
  if (bestConstant === 'median') constant.push(['median', outputs(column => quantileOf(column, 0.5))]);
  if (bestConstant === 'quantiles')
    constant.push(['quantiles', outputs((column, which) => quantileOf(column, predicted[which].level))]);
  return constant;
}

/** The number of targets of each class that occurs. */
export function countsOf(values: Classes['values']): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  eachChunk(values, 1, labels => {
    for (const label of labels) if (label !== IGNORED) counts.set(label, (counts.get(label) ?? 0) + 1);
  });
  return counts;
}

function classPrior({ values }: Classes, classes: number): Float32Array {
  const counts = countsOf(values);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return Float32Array.from({ length: classes }, (_, label) => {
    const count = counts.get(label);
    return count === undefined ? LOG_OF_ZERO : Math.log(count / total);
  });
}

function labelPrior({ values: all, size }: Numbers): Float32Array {
  const values = all.filter(value => !Number.isNaN(value));
  const sums = new Float64Array(size);
  values.forEach((label, at) => {
    sums[at % size] += label;
  });
  // divide last, so that a label that is always 1 has a fraction of exactly 1
  const fractions = sums.map(sum => (sum * size) / values.length);
  const logit = (fraction: number) =>
    Math.max(LOG_OF_ZERO, Math.min(-LOG_OF_ZERO, Math.log(fraction / (1 - fraction))));
  return Float32Array.from(fractions, logit);
}

/** False if LOG_OF_ZERO would make a loss finite although it is infinite. */
function hasProbability(targets: Targets, outputs: Float32Array): boolean {
  if (targets.kind === 'class')
    return isEach(targets.values, label => label === IGNORED || outputs[label] > LOG_OF_ZERO);
  return isEach(targets.values, (label, at) => {
    const logit = outputs[at % targets.size];
    return !(logit === LOG_OF_ZERO && label > 0) && !(logit === -LOG_OF_ZERO && label < 1);
  });
}

function isEach(values: Iterable<number>, is: (value: number, at: number) => boolean): boolean {
  let at = 0;
  for (const value of values) if (!is(value, at++)) return false;
  return true;
}

function isSmoothed(loss: BaselineSubject['loss']): boolean {
  return loss.kind === 'cross_entropy' && (loss.label_smoothing ?? 0) > 0;
}

/** Interpolates linearly between the two nearest values, like NumPy's default. */
function quantileOf(values: Float32Array, quantile: number): number {
  const sorted = values.toSorted();
  const at = quantile * (sorted.length - 1);
  const below = Math.floor(at);
  const above = sorted[Math.min(below + 1, sorted.length - 1)];
  return sorted[below] + (at - below) * (above - sorted[below]);
}

/** A view that is valid until the next call; undefined for predictions that are not scored. */
type OutputsAt = (at: number) => Float32Array | undefined;

function stepBefore({ targets, count }: Split, first: Float32Array): OutputsAt {
  const { values } = targets as Classes;
  const steps = values.length / count;
  const outputs = new Float32Array(first.length);
  let known = 0;
  return at => {
    // the last known class, which may be several steps back
    const earlier = values.subarray(at - (at % steps), at);
    const before = earlier.findLastIndex(label => label !== IGNORED);
    if (before < 0) return first;
    outputs[known] = 0;
    known = earlier[before];
    outputs[known] = 1;
    return outputs;
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

function isIgnored(targets: Targets, at: number): boolean {
  return targets.kind === 'class'
    ? targets.values.subarray(at, at + 1)[0] === IGNORED
    : Number.isNaN(targets.values[at * targets.size]);
}

function scorer(
  { loss, spec }: BaselineSubject,
  names: readonly MeasuredMetric[],
  outputsFor: (split: Split) => OutputsAt,
): Scorer {
  const metrics = accumulators(taskOf(loss), names, targetSize(loss, spec.outputSize));
  return {
    add(split) {
      const { targets, errorScale, count } = split;
      const outputsAt = outputsFor(split);
      const readout = new Readout({ loss }, targets);
      const width = targets.kind === 'value' ? targets.size : 1;
      const predictions = targets.values.length / width;
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

function finiteOf(values: SplitMetrics): SplitMetrics {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isFinite(value)));
}

function finite(name: string, value: number): SplitMetrics {
  return Number.isFinite(value) ? { [name]: value } : {};
}

/** Maximum elements of a tensor: rows are computed in chunks. */
const MAX_NUMBERS = 2 ** 20;

/** The mean loss if `outputs` [C] are predicted for every input. */
class ConstantLoss {
  private readonly loss: LossOfPredictions;
  /** The loss depends only on the class, so it is computed once per class. */
  private readonly counts = new Map<number, number>();
  private readonly ofValues = { sum: 0, weight: 0 };

  constructor(
    settings: LossSettings,
    private readonly outputs: Float32Array,
  ) {
    this.loss = lossOf(settings) as LossOfPredictions;
  }

  add(targets: Targets): void {
    if (targets.kind === 'class') {
      for (const [label, count] of countsOf(targets.values))
        this.counts.set(label, (this.counts.get(label) ?? 0) + count);
    } else this.addRows(this.ofValues, repeated(targets as Numbers, this.width), () => 1);
  }

  /** NaN if no prediction counts. */
  get mean(): number {
    const total = { ...this.ofValues };
    this.addRows(total, Float64Array.from(this.counts.keys()), label => this.counts.get(label) ?? 0);
    return total.sum / total.weight;
  }

  /** Numbers of a target: 1 for a class. */
  private get width(): number {
    return this.loss.targetWidth(this.outputs.length) ?? 1;
  }

  private addRows(
    total: { sum: number; weight: number },
    given: Float64Array,
    countOf: (target: number) => number,
  ): void {
    const { loss, outputs, width } = this;
    const size = outputs.length;
    const isClass = loss.target === 'class';
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
        graph.input('targets', isClass ? [length] : [length, width]),
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
}

/** The known targets; each number is repeated for the outputs of the loss that predict it. */
function repeated({ values, size }: Numbers, width: number): Float64Array {
  // ignored targets are NaN in every element
  const known = values.filter(value => !Number.isNaN(value));
  const each = width / size;
  const numberOf = (i: number) => known[Math.floor(i / width) * size + Math.floor((i % width) / each)];
  return Float64Array.from({ length: known.length * each }, (_, i) => numberOf(i));
}
