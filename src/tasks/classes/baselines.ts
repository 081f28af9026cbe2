/** Trivial baselines of classes: the most frequent one, the previous one, those of symbols. */
import { type Dataset, embedsSteps, inputWidth, numberCount, type Split } from '../../data/core/dataset.js';
import type { SequenceInput } from '../../data/core/record.js';
import { eachChunk } from '../../data/core/store.js';
import { type ClassTargets, IGNORED, type Targets, targetsOfKind } from '../../data/core/targets.js';
import type { LossSettings } from '../../math/losses/index.js';
import { isOfDecisions, type MeasuredMetric } from '../../math/metrics/index.js';
import { predictedClass } from '../../math/metrics/metric.js';
import {
  addLosses,
  type BaselineFit,
  type BaselineSubject,
  type ConstantLoss,
  constantScorer,
  finite,
  isEach,
  isSmoothed,
  LOG_OF_ZERO,
  type NamedScorer,
  type OutputsAt,
  type ReadoutOf,
  type Scorer,
  scorer,
} from '../core/baselines.js';
import { ContextCounts, Trigrams } from './ngram.js';
import { ClassReadout } from './readout.js';

const classesIn = (targets: Targets) => targetsOfKind('class', targets);

const readoutFor =
  ({ loss }: BaselineSubject): ReadoutOf =>
  targets =>
    new ClassReadout({ loss }, classesIn(targets));

export const classBaselines: BaselineFit = (run, dataset) => {
  const { perStep, values } = classesIn(dataset.train.targets);
  const prior = classPrior(values, run.spec.outputSize);
  const readoutOf = readoutFor(run);
  const ofSymbols = perStep ? symbolBaseline(run, dataset, prior) : undefined;
  const hasProbability = (targets: Targets) =>
    isEach(classesIn(targets).values, label => label === IGNORED || prior[label] > LOG_OF_ZERO);
  return () => {
    // a smoothed loss needs the probabilities of all classes
    const hasLoss = !(isSmoothed(run.loss) && prior.includes(LOG_OF_ZERO));
    const loss = hasLoss ? lossOfClasses(run.loss, prior) : undefined;
    const majority = { name: 'majority', outputs: prior, loss, hasProbability } as const;
    return [
      ['majority', constantScorer(run, majority, readoutOf)],
      ...(perStep ? [previous(run, prior)] : []),
      ...(ofSymbols ? [ofSymbols()] : []),
    ];
  };
};

/** The number of targets of each class that occurs. */
export function countsOf(values: ClassTargets['values']): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  eachChunk(values, 1, labels => {
    for (const label of labels) if (label !== IGNORED) counts.set(label, (counts.get(label) ?? 0) + 1);
  });
  return counts;
}

function classPrior(values: ClassTargets['values'], classes: number): Float32Array {
  const counts = countsOf(values);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return Float32Array.from({ length: classes }, (_, label) => {
    const count = counts.get(label);
    return count === undefined ? LOG_OF_ZERO : Math.log(count / total);
  });
}

/** The loss depends only on the class, so it is computed once per class. */
function lossOfClasses(settings: LossSettings, outputs: Float32Array): ConstantLoss {
  const counts = new Map<number, number>();
  return {
    add(targets) {
      for (const [label, count] of countsOf(classesIn(targets).values))
        counts.set(label, (counts.get(label) ?? 0) + count);
    },
    get mean() {
      const total = { sum: 0, weight: 0 };
      const countOf = (label: number) => counts.get(label) ?? 0;
      addLosses(total, settings, outputs, Float64Array.from(counts.keys()), countOf);
      return total.sum / total.weight;
    },
  };
}

/** A single predicted class has no probabilities, so only these metrics are defined. */
function decisionsIn({ metrics }: BaselineSubject): MeasuredMetric[] {
  return metrics.filter(isOfDecisions);
}

function previous(run: BaselineSubject, first: Float32Array): NamedScorer {
  return ['previous', scorer(run, decisionsIn(run), readoutFor(run), split => stepBefore(split, first))];
}

function stepBefore({ targets, count }: Split, first: Float32Array): OutputsAt {
  const { values } = classesIn(targets);
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

/** The symbols and the classes of a sequence, `[T]`; valid until the next call. */
type StepsAt = (index: number) => { readonly symbols: Float32Array; readonly classes: Int32Array };

/** @param input of several embedded columns, the first is read */
function stepsAt({ count, targets, read }: Split, input: SequenceInput): StepsAt {
  const { values } = classesIn(targets);
  const steps = values.length / count;
  const width = inputWidth(input);
  const row = new Float32Array(steps * width);
  const symbols = new Float32Array(steps);
  return index => {
    read(index, row, 0, width);
    for (let step = 0; step < steps; step++) symbols[step] = row[step * width + numberCount(input)];
    return { symbols, classes: values.subarray(index * steps, (index + 1) * steps) };
  };
}

/** The baseline of steps that are symbols and have classes; undefined for other data. */
function symbolBaseline(
  run: BaselineSubject,
  { input, train, classLabels, vocabulary }: Dataset,
  prior: Float32Array,
): (() => NamedScorer) | undefined {
  if (!embedsSteps(input)) return undefined;
  const classes = run.spec.outputSize;
  const sequenceAt = stepsAt(train, input);
  // the classes of a language model are its symbols
  if (vocabulary !== undefined && classLabels === vocabulary.symbols) {
    const model = new Trigrams(classes);
    for (let index = 0; index < train.count; index++) {
      const { symbols, classes: next } = sequenceAt(index);
      model.add(symbols, next.filter(isClass));
    }
    model.end();
    return () => ['ngram', trigramScorer(run, input, model)];
  }
  const counts = new ContextCounts(classes);
  for (let index = 0; index < train.count; index++) {
    const { symbols, classes: labels } = sequenceAt(index);
    for (const [step, label] of labels.entries()) if (isClass(label)) counts.add(symbols[step], label);
  }
  const best = counts.largest((_context, _label, entry) => counts.counts[entry]);
  const majority = predictedClass(prior);
  const predict = (symbols: Float32Array, step: number) => best.get(symbols[step]) ?? majority;
  return () => ['by_symbol', decisionScorer(run, input, predict)];
}

function isClass(label: number): boolean {
  return label !== IGNORED;
}

/** The class that is predicted for a step of symbols. */
type PredictStep = (symbols: Float32Array, step: number, label: number) => number;

function decisionScorer(run: BaselineSubject, input: SequenceInput, predict: PredictStep): Scorer {
  return scorer(run, decisionsIn(run), readoutFor(run), split => decided(run, split, input, predict));
}

/** Outputs that are 1 for the class that is predicted for a step of symbols, else 0. */
function decided(
  { spec }: BaselineSubject,
  split: Split,
  input: SequenceInput,
  predict: PredictStep,
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
  const decisions = decisionScorer(run, input, (symbols, step, label) => {
    const before = step === 0 ? undefined : symbols[step - 1];
    sum -= Math.log(model.probability(before, symbols[step], label));
    count++;
    return model.predict(before, symbols[step]);
  });
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
