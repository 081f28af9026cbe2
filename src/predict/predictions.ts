/** Predictions of sequences: their form, and how outputs of a model become one. */

import type { Experiment } from '../config/index.js';
import { type DataRecord, embedsSteps, IGNORED, type TextLevel } from '../data/index.js';
import { datasetFacts } from '../data/kinds.js';
import { alignmentOf, type Decoded } from '../math/decoding/ctc.js';
import { lossOf } from '../math/losses/index.js';
import { decidedClass, decidedLabel, type Numbers } from '../math/metrics/metric.js';
import { predictsEachStep } from '../math/model/heads.js';
import { hasAttention, type ModelSpec, stepInData } from '../math/model/spec.js';
import type { ExplainedSequence, Explanation } from '../run/explanation.js';
import type { Computed } from '../tasks/core/prediction.js';
import { probabilities, type Readout } from '../tasks/readouts.js';
import type { ModelRun } from '../train/shards.js';
import type { Diagnostic } from '../util/errors.js';
import { classProbabilities } from '../util/log-probabilities.js';

/** Numbers that `JSON.stringify` writes as a list and `console.log` shows as the array they are. */
class JsonFloat64Array extends Float64Array {
  static override readonly name = 'Float64Array';

  toJSON(): number[] {
    return Array.from(this);
  }
}

class JsonFloat32Array extends Float32Array {
  static override readonly name = 'Float32Array';

  toJSON(): number[] {
    return Array.from(this);
  }
}

interface PredictionPlace {
  /**
   * Step of its sequence, from 0 at the first step with a prediction (for forecasts, the first step
   * of the horizon); 0 if the model has one prediction per sequence.
   */
  readonly step: number;
  /**
   * Time of the step, or of the last step if there is one prediction per sequence, as written in
   * the data; absent if they have no times.
   */
  readonly time?: string;
  /**
   * The symbol of the step, such as a word, as written in the data; absent if steps have no texts,
   * or there is one prediction per sequence.
   */
  readonly symbol?: string;
}

/** Prediction of a model trained with `cross_entropy`. */
export interface ClassPrediction extends PredictionPlace {
  readonly kind: 'class';
  /**
   * Class with the largest output (the first of equal ones), or that which the threshold of the run
   * decides; null if an output is NaN.
   */
  readonly predicted: number | null;
  /** Name of that class; null if there is none, absent if the data do not name classes. */
  readonly name?: string | null;
  /** Probability of the predicted class; NaN if there is none. */
  readonly probability: number;
  /** `[C]`, softmax of the outputs: probability of each class. */
  readonly probabilities: Float64Array;
  /** `[C]`, raw outputs. */
  readonly logits: Float32Array;
  /**
   * The classes that contain the true one with the coverage of `intervals`, in their order; absent
   * without it.
   */
  readonly set?: readonly number[];
  /** The most probable classes, the most probable first; absent without the option `top`. */
  readonly top?: readonly RankedClass[];
  /** The true class; null if ignored, absent for sequences without labels. */
  readonly label?: number | null;
  /**
   * Of several models: the entropy of the mean less the mean of the entropies, in nats; 0 if all
   * agree. Absent for one model.
   */
  readonly disagreement?: number;
}

export interface ValuePrediction extends PredictionPlace {
  readonly kind: 'value';
  /**
   * The prediction in the units of the data, one number per target value: for labels their
   * probabilities, for quantiles the one nearest to 0.5. Rounded to the shortest decimals that
   * identify the model's float32 numbers.
   */
  readonly values: Float64Array;
  /**
   * The predicted quantiles in the same form, in the order of `loss.quantiles`; empty for other
   * losses.
   */
  readonly quantiles: readonly Float64Array[];
  /**
   * Ends of the interval that contains each true value with the coverage of `intervals`; absent
   * without it.
   */
  readonly interval?: { readonly lower: Float64Array; readonly upper: Float64Array };
  /** Whether each label applies, as the thresholds of the run decide; absent without them. */
  readonly applies?: readonly (boolean | null)[];
  /** The true values; absent for sequences without labels. */
  readonly target?: Float64Array;
  /** Sample standard deviation of `values` between several models; absent for one. */
  readonly disagreement?: Float64Array;
}

/** Symbols as the data name them, or their numbers. */
type SymbolList = readonly (string | number | null)[];

/** A sequence of symbols that a model may predict. */
export interface RankedSequence {
  /** A symbol is null if an output is NaN. */
  readonly symbols: SymbolList;
  /** The symbols as text: characters joined, other symbols separated by spaces. */
  readonly text: string;
  readonly probability: number;
}

/** Prediction of a model whose targets are sequences of symbols. */
export interface SymbolsPrediction extends PredictionPlace, RankedSequence {
  readonly kind: 'sequence';
  /**
   * The best sequences, the best first: `decode.beam` or the option `top` of them, or fewer. With
   * the loss `ctc` the most probable ones; of a decoder, those with the highest mean log
   * probability of a symbol.
   */
  readonly top: readonly RankedSequence[];
  /**
   * The step of the input at which each symbol is read, from 0: where it begins in the likeliest
   * path of the loss `ctc`, or the step with the largest weight in the attention of a decoder.
   * Absent for a decoder without attention, and if an output is NaN.
   */
  readonly alignment?: readonly number[];
  /** The true symbols; absent for sequences without labels. */
  readonly target?: SymbolList;
}

export type Prediction = ClassPrediction | ValuePrediction | SymbolsPrediction;

/** Prediction for one sequence. */
export interface SequencePrediction<A extends Prediction = Prediction> {
  /** Position of the sequence in the input, from 0; skipped sequences count. */
  readonly index: number;
  /** Name of the sequence in the input; absent if it has none. */
  readonly id?: string;
  /** One prediction, or one per step (`head: { from: every }`, and forecasts). */
  readonly predictions: readonly A[];
  /**
   * `[steps, targets]`, the targets that a forecast read, as in the data, NaN if one is missing;
   * absent for other models.
   */
  readonly history?: Float64Array;
  /** What contributes to them; see `predict --explain`. */
  readonly explanation?: PredictionExplanation;
  /** What makes them doubtful, such as missing steps before a forecast; absent if nothing does. */
  readonly warnings?: readonly Diagnostic[];
}

/** Integrated gradients of a prediction; see {@link Explanation}. */
export interface PredictionExplanation extends Pick<ExplainedSequence, 'output' | 'reference' | 'error'> {
  readonly of: Explanation['attributions']['of'];
  /** The contribution of each feature. */
  readonly features: Readonly<Record<string, number>>;
  /** That of each step, without static features. */
  readonly steps: readonly number[];
}

/** Form of a model's predictions. */
export interface PredictionForm {
  readonly kind: Prediction['kind'];
  /** True if there is one prediction per step. */
  readonly perStep: boolean;
  /** Number of classes, of values per prediction, or of symbols. */
  readonly size: number;
  /** How the text of a target is split into symbols; absent if they are listed, or for others. */
  readonly targetLevel?: TextLevel;
  /** What aligns predicted symbols with steps of the input; absent if nothing does. */
  readonly alignment?: 'ctc' | 'attention';
  /** How the steps of the data become those of the model; absent: one for one. */
  readonly steps?: ModelSpec['steps'];
  /** Levels of the predicted quantiles; empty if the loss predicts none. */
  readonly quantiles: readonly number[];
  /** The fraction of targets that intervals, or sets of classes, contain; absent without them. */
  readonly coverage?: number;
  /** Probabilities from which the second class, or each label, is predicted; absent: 0.5. */
  readonly thresholds?: readonly number[];
  /** The option `top`: how many classes or sequences each prediction lists. */
  readonly top?: number;
  /** True if predictions have the `symbol` of their step, unless a program passes steps without. */
  readonly hasSymbols: boolean;
  /** Name of each class; absent if the data do not name them. */
  readonly classNames?: readonly string[];
  /** Name of each value; absent if the data do not name them. */
  readonly targetNames?: readonly string[];
}

/** @internal */
export function predictionForm(
  { spec, loss, decisions: { thresholds, intervals } = {} }: ModelRun,
  { input, class_names: classNames, target_names: targetNames, vocabulary }: DataRecord,
  dataset: Experiment['dataset'],
): PredictionForm {
  const own = lossOf(loss);
  const { head, outputSize } = spec;
  if (own.target === 'sequence') {
    const { targetLevel } = datasetFacts(dataset);
    const alignment = loss.kind === 'ctc' ? 'ctc' : hasAttention(spec) && 'attention';
    return {
      ...{ kind: 'sequence', perStep: false, hasSymbols: false, quantiles: [] },
      // without the blank
      size: outputSize - 1,
      ...(targetLevel && { targetLevel }),
      ...(alignment && { alignment }),
      ...(spec.steps && { steps: spec.steps }),
      ...(classNames && { classNames }),
    };
  }
  const { target, quantiles = [] } = own;
  const { horizon } = datasetFacts(dataset);
  const eachStep = predictsEachStep(head);
  const hasTexts = input.kind === 'number' ? embedsSteps(input) : vocabulary !== undefined;
  const steps = eachStep ? 1 : (horizon ?? 1);
  return {
    kind: target,
    perStep: eachStep || horizon !== undefined,
    hasSymbols: eachStep && hasTexts,
    size: outputSize / Math.max(1, quantiles.length) / steps,
    quantiles: quantiles.map(({ level }) => level),
    ...(intervals && { coverage: intervals.coverage }),
    ...(thresholds && { thresholds }),
    ...(classNames && { classNames }),
    ...(targetNames && { targetNames }),
  };
}

/** Numbers as predictions have them. */
export function float64(values: Iterable<number>): Float64Array {
  return JsonFloat64Array.from(values);
}

/** Memory for the lists of a class prediction: logits and probabilities. */
export function classMemory(length: number): [logits: Float32Array, probabilities: Float64Array] {
  return [new JsonFloat32Array(length), new JsonFloat64Array(length)];
}

/**
 * @param computed its outputs `[C]`, which may be overwritten afterwards, and its position `at`
 *   among all predictions of the split
 * @internal
 */
export function predictionOf(
  form: PredictionForm,
  readout: Readout,
  computed: {
    readonly step: number;
    readonly time?: string | undefined;
    readonly symbol?: string | undefined;
    readonly outputs: Float32Array;
    readonly at: number;
    readonly target?: Numbers | undefined;
  },
  [logits, ofClasses] = classMemory(form.kind === 'class' ? form.size : 0),
): Prediction {
  const { kind, coverage } = form;
  const { step, time, symbol, outputs, at, target } = computed;
  const place = { step, ...(time !== undefined && { time }), ...(symbol !== undefined && { symbol }) };
  const decimals = (values: Numbers) => JsonFloat64Array.from(readout.decimals(values, at));
  const { thresholds, set } = readout.decided(outputs);
  if (kind === 'value') {
    const point = readout.point(outputs, at);
    const [lower, upper] = (coverage !== undefined && readout.interval(outputs, at, step)) || [];
    return {
      kind,
      ...place,
      values: decimals(point),
      quantiles: readout.quantiles(outputs, at).map(decimals),
      ...(lower && upper && { interval: { lower: decimals(lower), upper: decimals(upper) } }),
      ...(thresholds && {
        applies: Array.from(point, (_, i) => decidedLabel({ point, thresholds }, i) ?? null),
      }),
      ...(target && { target: JsonFloat64Array.from(readout.targetDecimals(at, target)) }),
    };
  }
  logits.set(outputs);
  return {
    kind: 'class',
    ...place,
    ...classPrediction(form, probabilities(outputs, ofClasses), logits, thresholds),
    ...(set && { set }),
    ...(target && { label: target[0] === IGNORED ? null : target[0] }),
  };
}

/** What is predicted from the probabilities of classes. */
export function classPrediction(
  { classNames, top }: Pick<PredictionForm, 'classNames' | 'top'>,
  probabilities: Float64Array,
  logits: Float32Array,
  thresholds?: readonly number[],
) {
  const best = decidedClass({ outputs: logits, thresholds });
  return {
    predicted: best < 0 ? null : best,
    ...(classNames && { name: classNames[best] ?? null }),
    probability: best < 0 ? Number.NaN : probabilities[best],
    probabilities,
    logits,
    ...(top !== undefined && { top: topClasses(probabilities, top, classNames) }),
  };
}

/**
 * Listed symbols that have white space or quotes, or are empty, are quoted, so that texts of
 * different lists differ.
 * @internal
 */
export function textOfSymbols(symbols: SymbolList, level: TextLevel | undefined): string {
  if (level === 'character') return symbols.join('');
  const quoted = (symbol: SymbolList[number]) =>
    typeof symbol === 'string' && !/^[^\s"]+$/.test(symbol) ? JSON.stringify(symbol) : symbol;
  return (level === 'word' ? symbols : symbols.map(quoted)).join(' ');
}

/**
 * @param computed all outputs of the sequence
 * @internal
 */
export function symbolsPrediction(
  form: PredictionForm,
  { outputs, decoded = [] }: Pick<Computed, 'outputs' | 'decoded'>,
  { target, time }: { readonly target?: Int32Array | undefined; readonly time?: string | undefined },
): SymbolsPrediction {
  const { classNames, targetLevel } = form;
  const named = (symbols: ArrayLike<number>) =>
    Array.from(symbols, symbol => (symbol < 0 ? null : (classNames?.[symbol] ?? symbol)));
  const top = decoded.map(({ symbols, logProbability }): RankedSequence => {
    const list = named(symbols);
    return { symbols: list, text: textOfSymbols(list, targetLevel), probability: Math.exp(logProbability) };
  });
  const alignment = alignmentIn(form, outputs, decoded[0]);
  return {
    kind: 'sequence',
    step: 0,
    ...(time !== undefined && { time }),
    ...top[0],
    top,
    ...(alignment && { alignment }),
    ...(target && { target: named(target) }),
  };
}

/** The steps of the data at which symbols are read. */
function alignmentIn(
  { alignment, size, steps }: PredictionForm,
  outputs: Float32Array,
  { symbols, logProbability, attended }: Decoded,
): number[] | undefined {
  if (alignment === undefined || Number.isNaN(logProbability)) return undefined;
  if (alignment === 'attention') return attended?.map(({ step }) => stepInData(steps, step));
  const classes = size + 1;
  const probabilities = classProbabilities(outputs, { steps: outputs.length / classes, classes });
  return alignmentOf(probabilities, symbols).map(step => stepInData(steps, step));
}

/** Splits a forecast of the whole horizon into its steps, of `size` values each. */
export function stepsOf(
  { kind, values, quantiles, interval, target }: ValuePrediction,
  size: number,
  times: readonly string[] | undefined,
): ValuePrediction[] {
  return Array.from({ length: values.length / size }, (_, step) => {
    const part = (of: Float64Array) => of.subarray(step * size, (step + 1) * size);
    return {
      kind,
      step,
      ...(times && { time: times[step] }),
      values: part(values),
      quantiles: quantiles.map(part),
      ...(interval && { interval: { lower: part(interval.lower), upper: part(interval.upper) } }),
      ...(target && { target: part(target) }),
    };
  });
}

export interface RankedClass {
  readonly class: number;
  /** Absent if the data do not name classes. */
  readonly name?: string;
  readonly probability: number;
}

/** The `count` most probable classes (lower class first if equal); empty if an output is NaN. */
function topClasses(
  probabilities: Float64Array,
  count: number,
  classNames: readonly string[] | undefined,
): RankedClass[] {
  if (probabilities.some(Number.isNaN)) return [];
  const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  return order.slice(0, count).map(k => ({
    class: k,
    ...(classNames && { name: classNames[k] }),
    probability: probabilities[k],
  }));
}
