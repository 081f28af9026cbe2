/** Collects the content of `evaluation.json` while an evaluation runs over a split. */
import { readSound, spectrogram } from '../data/audio/sounds.js';
import { exampleText } from '../data/example.js';
import type { Dataset, Split, SplitName } from '../data/index.js';
import { occupancyOf } from '../math/losses/ctc.js';
import { targetSize, taskOf } from '../math/losses/index.js';
import { addConfidence, Reliability } from '../math/metrics/calibration.js';
import { type AlignedPair, alignment, editDistance, isEdit } from '../math/metrics/edits.js';
import { absoluteError, Errors } from '../math/metrics/errors.js';
import { accumulator, type Task } from '../math/metrics/index.js';
import { GroupCoverage } from '../math/metrics/intervals.js';
import { decidedClass, meanOf } from '../math/metrics/metric.js';
import { Counts } from '../math/metrics/scores.js';
import { exactFraction, NearestTargets, tokenErrors } from '../math/metrics/sequences.js';
import { predictsEachStep } from '../math/model/heads.js';
import { predictionsOf } from '../math/model/inputs.js';
import { hasAttention } from '../math/model/spec.js';
import {
  type AlignedSequence,
  type ClassEvaluation,
  confusionOfLargest,
  type LabelEvaluation,
  type MisreadSequence,
  type Mistake,
  type MistakeContext,
  type PredictionPlace,
  type RecordingPicture,
  type SequenceEvaluation,
  type SplitEvaluation,
  type ValueEvaluation,
  type ValuePair,
  type WorstValue,
} from '../run/evaluation.js';
import { classProbabilities } from '../util/log-probabilities.js';
import { shortestDecimal } from '../util/numbers.js';
import type { Evaluation, PredictedSequence, Prediction } from './evaluator.js';
import { forecastCollector } from './forecast-document.js';
import type { Position } from './loop.js';
import { probabilityOf, Readout } from './readout.js';
import { MAX_WEIGHTS, type ModelRun } from './shards.js';
import { Worst } from './worst.js';

/** Maximum classes of a whole confusion matrix: its size grows with the square. */
const MAX_CONFUSED = 100;
/** Maximum pixels of an image, so that the file stays below a few megabytes. */
const MAX_PIXELS = 10_000;
/** Maximum numbers listed of a target and of its prediction. */
const MAX_NUMBERS = 100;
const MAX_PAIRS = 200;
/** Numbers of a target in each pair: as many as are plotted. */
const MAX_PLOTTED = 4;
/** Maximum classes or labels with listed scores, and targets with listed errors. */
const MAX_SCORED = 1000;
const MAX_OUTPUTS = 100;

type Outcome = Evaluation & Pick<Position, 'epoch' | 'step'>;

type CommonField =
  | 'version'
  | 'kind'
  | 'split'
  | 'epoch'
  | 'step'
  | 'predictions'
  | 'loss'
  | 'constant'
  | 'example';

/** Collects what the document of one task has besides the common fields. */
interface TaskCollector<D extends SplitEvaluation = SplitEvaluation> {
  readonly kind: D['kind'];
  add(prediction: Prediction, sequence: PredictedSequence): void;
  /** Called before the predictions of a sequence that count. */
  addSequence?(sequence: PredictedSequence): void;
  fields(): Omit<D, CommonField>;
}

const COLLECTORS: Readonly<
  Record<Task, (run: ModelRun, dataset: Dataset, split: SplitName) => TaskCollector>
> = {
  classes: classCollector,
  labels: labelCollector,
  values: valueCollector,
  sequences: sequenceCollector,
};

export function evaluationCollector(run: ModelRun, dataset: Dataset, split: SplitName) {
  const task = taskOf(run.loss);
  const collector = COLLECTORS[task](run, dataset, split);
  const spread = new OutputSpread(task);
  const confidence = confidenceCollector(run, dataset);
  return {
    add(sequence: PredictedSequence): void {
      collector.addSequence?.(sequence);
      for (const prediction of sequence.predictions) {
        if (!prediction.counts) continue;
        collector.add(prediction, sequence);
        spread.add(prediction);
        confidence.add(prediction);
      }
    },
    document: ({ epoch, step, count: predictions, loss }: Outcome): SplitEvaluation => {
      const common = { version: 1, kind: collector.kind, split, epoch, step, predictions, loss } as const;
      const fields = { ...collector.fields(), ...confidence.fields, constant: spread.isConstant };
      const example = exampleText(dataset, split);
      return { ...common, ...fields, ...(example !== undefined && { example }) } as SplitEvaluation;
    },
  };
}

/** Maximum groups with their coverage. */
const MAX_GROUPS = 100;

/** How sure predictions are, and how often they are right; empty if nothing measures it. */
function confidenceCollector({ metrics, decisions, loss }: ModelRun, { classLabels }: Dataset) {
  const reliability = metrics.includes('calibration_error') ? new Reliability() : undefined;
  const groups = decisions?.intervals && new GroupCoverage();
  const isClass = taskOf(loss) === 'classes';
  return {
    add(prediction: Prediction): void {
      if (reliability && isClass) addConfidence(reliability, prediction);
      else if (reliability) prediction.point.forEach((p, i) => void reliability.add(p, prediction.target[i]));
      groups?.add(prediction);
    },
    get fields(): Pick<ClassEvaluation, 'reliability' | 'coverage'> {
      const named = (group: string) => (groups?.ofClasses ? (classLabels?.[Number(group)] ?? group) : group);
      const lowest = groups?.all.toSorted((a, b) => a.coverage - b.coverage).slice(0, MAX_GROUPS) ?? [];
      const coverage = lowest.map(({ group, ...one }) => ({ group: named(group), ...one }));
      const { bins } = reliability ?? {};
      return { ...(bins && { reliability: bins }), ...(coverage.length > 0 && { coverage }) };
    },
  };
}

function classCollector(run: ModelRun, dataset: Dataset, split: SplitName): TaskCollector<ClassEvaluation> {
  const classes = run.spec.outputSize;
  const confusion =
    classes <= MAX_SCORED ? Array.from({ length: classes }, () => new Uint32Array(classes)) : null;
  const mistakes = new Worst<Mistake>();
  const { width = 0, height = 0 } = (dataset[split]?.image && dataset.image) || {};
  const hasImages = width * height > 0 && width * height <= MAX_PIXELS;
  const accuracy = accumulator('classes', 'accuracy', 0);
  const counts = new Counts(classes);
  let undecided = 0;
  return {
    kind: 'class',
    add(prediction, sequence) {
      const { outputs, target, loss } = prediction;
      const [label] = target;
      const predicted = decidedClass(prediction);
      accuracy.add(prediction);
      counts.addClass(label, predicted);
      if (predicted < 0) undecided++;
      else if (confusion) confusion[label][predicted]++;
      if (predicted === label) return;
      mistakes.offer(loss, () => {
        const image = hasImages && dataset[split]?.image?.(sequence.index);
        const context = contextOf(dataset, dataset[split], sequence.index, {
          step: predictsEachStep(run.spec.head) ? prediction.step : undefined,
          label,
        });
        return {
          ...placeOf(run, sequence, prediction),
          label,
          predicted: predicted < 0 ? null : predicted,
          loss,
          probability: predicted < 0 ? Number.NaN : probabilityOf(outputs, predicted),
          label_probability: probabilityOf(outputs, label),
          ...(image && { image: Buffer.from(image).toString('base64') }),
          ...(context && { context }),
          ...pictureOf(dataset[split], sequence.index),
        };
      });
    },
    fields: () => {
      const isListed = classes <= MAX_CONFUSED;
      const largest = isListed ? undefined : confusion && confusionOfLargest(confusion);
      return {
        accuracy: accuracy.value ?? Number.NaN,
        classes,
        class_names: dataset.classLabels ?? null,
        confusion: isListed && confusion ? confusion.map(row => Array.from(row)) : null,
        ...(largest && { confusion_of_largest: largest }),
        per_class: classes <= MAX_SCORED ? counts.scores : null,
        undecided,
        mistakes: mistakes.items,
        images: hasImages ? { width, height, encoding: 'base64-uint8' } : null,
      };
    },
  };
}

/** Symbols shown before and after a mistake, and of a sequence with one prediction. */
const SHOWN = { word: [8, 5, 30], character: [60, 20, 150] } as const;

/** The beginning of an input of symbols. */
function inputText(dataset: Dataset, split: Split | undefined, index: number): string | undefined {
  return contextOf(dataset, split, index, { step: undefined, label: 0 })?.at;
}

/** @param step undefined if there is one prediction per sequence */
function contextOf(
  { vocabulary, classLabels }: Dataset,
  split: Split | undefined,
  index: number,
  { step, label }: { readonly step: number | undefined; readonly label: number },
): MistakeContext | undefined {
  const symbols = split?.symbols?.(index);
  if (symbols === undefined) return undefined;
  const { level = null } = vocabulary ?? {};
  const isWords = level === 'word' || level === null;
  const [before, after, whole] = SHOWN[isWords ? 'word' : 'character'];
  const text = (from: number, to: number): string => {
    const joined = symbols.slice(Math.max(0, from), to).join(isWords ? ' ' : '');
    return level === 'byte' ? Buffer.from(joined, 'latin1').toString() : joined;
  };
  if (step === undefined) return { before: '', at: text(0, whole), after: '' };
  // a language model predicts the symbol after the one that it reads
  const isNext = vocabulary !== undefined && classLabels === vocabulary.symbols;
  const at = isNext ? step + 1 : step;
  const gap = isWords ? ' ' : '';
  return {
    before: `${text(at - before, at)}${at > 0 ? gap : ''}`,
    at: isNext ? classLabels[label] : symbols[step],
    after: `${at + 1 < symbols.length ? gap : ''}${text(at + 1, at + 1 + after)}`,
  };
}

function valueCollector(run: ModelRun, dataset: Dataset, split: SplitName): TaskCollector<ValueEvaluation> {
  const size = targetSize(run.loss, run.spec.outputSize);
  const data = dataset[split] ?? dataset.test;
  const readout = new Readout(run, data.targets);
  const steps = predictionsOf(run.spec, run.sequenceLength);
  const error = meanOf(absoluteError);
  const errors = new Errors(size);
  const worst = new Worst<WorstValue>();
  const sample: ValuePair[] = [];
  const known = countedPredictions(data);
  const sampled = evenlySpaced(known, MAX_PAIRS);
  let counted = 0;
  const forecasts = forecastCollector(run, dataset, data);
  return {
    kind: 'value',
    ...(forecasts && { addSequence: forecasts.add }),
    add(prediction, sequence) {
      error.add(prediction);
      errors.add(prediction);
      const place = placeOf(run, sequence, prediction);
      const at = sequence.index * steps + prediction.step;
      const point = () => readout.decimals(prediction.point, at);
      const target = () => readout.targetDecimals(at, prediction.target);
      const badness = absoluteError(prediction);
      worst.offer(badness, () => ({ ...place, ...worstValue(target(), point(), badness) }));
      if (!sampled.has(counted++)) return;
      const plotted = (values: readonly number[]) => (size === 1 ? values[0] : values.slice(0, MAX_PLOTTED));
      sample.push({ ...place, target: plotted(target()), prediction: plotted(point()) });
    },
    fields: () => ({
      mean_absolute_error: error.value ?? Number.NaN,
      worst: worst.items,
      target_names: targetNamesOf(dataset, size),
      per_output:
        size > MAX_OUTPUTS
          ? null
          : errors.outputs.map(({ r2, ...one }) => ({ ...one, ...(r2 !== undefined && { r2 }) })),
      sample,
      ...(forecasts && { forecasts: forecasts.document }),
    }),
  };
}

/** At most `most` numbers below `count`. */
function evenlySpaced(count: number, most: number): ReadonlySet<number> {
  const length = Math.min(count, most);
  return new Set(Array.from({ length }, (_, i) => Math.floor((i * count) / length)));
}

/** The name of each number of a target: of a forecast, with the number of the step. */
function targetNamesOf({ targetNames, columnNames, seriesFacts }: Dataset, size: number) {
  if (seriesFacts === undefined) return targetNames ?? null;
  return Array.from({ length: size }, (_, i) => columnNames?.targets(i) ?? String(i));
}

function labelCollector(run: ModelRun, dataset: Dataset): TaskCollector<LabelEvaluation> {
  const accuracy = accumulator('labels', 'accuracy', 0);
  const counts = new Counts(run.spec.outputSize);
  const worst = new Worst<WorstValue>();
  return {
    kind: 'label',
    add(prediction, sequence) {
      accuracy.add(prediction);
      counts.addLabels(prediction);
      worst.offer(prediction.loss, () => {
        const [target, point] = [prediction.target, prediction.point].map(values =>
          Array.from(values, value => shortestDecimal(value)),
        );
        const place = placeOf(run, sequence, prediction);
        return { ...place, ...worstValue(target, point, absoluteError(prediction)) };
      });
    },
    fields: () => ({
      accuracy: accuracy.value ?? Number.NaN,
      target_names: dataset.targetNames ?? null,
      per_label: run.spec.outputSize <= MAX_SCORED ? counts.scores : null,
      worst: worst.items,
    }),
  };
}

const MAX_CONFUSIONS = 50;
/** Maximum positions of an alignment. */
const MAX_ALIGNED = 200;
/** Maximum typical and misread sequences with the steps that their symbols were read from. */
const [MAX_TYPICAL, MAX_MISREAD] = [8, 4];

interface Misread {
  readonly index: number;
  readonly id?: string;
  readonly predicted: readonly number[];
  readonly target: readonly number[];
  readonly probability: number;
}

function sequenceCollector(
  run: ModelRun,
  dataset: Dataset,
  split: SplitName,
): TaskCollector<SequenceEvaluation> {
  const nearest = new NearestTargets<Misread>();
  const spaced = evenlySpaced(dataset[split]?.count ?? 0, MAX_TYPICAL);
  const typical: AlignedSequence[] = [];
  const furthest = new Worst<readonly AlignedSequence[]>();
  const isAligned = run.loss.kind === 'ctc' || hasAttention(run.spec);
  const alignmentOf = (prediction: Prediction, { index, id }: PredictedSequence): AlignedSequence[] => {
    const weights = weightsOf(run, prediction);
    if (weights.length === 0) return [];
    const symbols = dataset[split]?.symbols?.(index);
    return [
      {
        index,
        ...(id !== undefined && { id }),
        steps: weights.length / prediction.point.length,
        ...(symbols && { input: [...symbols] }),
        ...pictureOf(dataset[split], index),
        predicted: Array.from(prediction.point),
        weights: Buffer.from(weights).toString('base64'),
      },
    ];
  };
  return {
    kind: 'sequence',
    add(prediction, sequence) {
      const { index, id } = sequence;
      const { point, target, decoded = [] } = prediction;
      if (isAligned && spaced.has(index)) typical.push(...alignmentOf(prediction, sequence));
      else if (isAligned)
        furthest.offer(editDistance(target, point), () => alignmentOf(prediction, sequence));
      nearest.add(prediction, () => ({
        index,
        ...(id !== undefined && { id }),
        predicted: Array.from(point),
        target: Array.from(target),
        probability: Math.exp(decoded[0]?.logProbability ?? Number.NaN),
      }));
    },
    fields: () => {
      const { all } = nearest;
      const counts = new Map<string, AlignedPair & { count: number }>();
      const edits = { substitutions: 0, insertions: 0, deletions: 0 };
      const worst = new Worst<MisreadSequence>();
      for (const { errors, thing } of all) {
        if (errors === 0) continue;
        const { index, id, probability } = thing;
        const pairs = alignment(thing.target, thing.predicted);
        for (const pair of pairs.filter(isEdit)) {
          edits[kindOfEdit(pair)]++;
          const key = `${pair.target} ${pair.predicted}`;
          const known = counts.get(key);
          if (known) known.count++;
          else counts.set(key, { ...pair, count: 1 });
        }
        worst.offer(errors, () => {
          const input = inputText(dataset, dataset[split], index);
          return {
            index,
            ...(id !== undefined && { id }),
            ...(input !== undefined && { input }),
            ...pictureOf(dataset[split], index),
            errors,
            probability,
            alignment: pairs.slice(0, MAX_ALIGNED),
          };
        });
      }
      // a prediction far from one target may be another one
      const isMisread = ({ index }: AlignedSequence) => worst.items.some(one => one.index === index);
      const misread = furthest.items.flat().filter(isMisread).slice(0, MAX_MISREAD);
      return {
        inputs: all.length,
        token_error_rate: tokenErrors(all),
        sequence_accuracy: exactFraction(all),
        symbols: run.spec.outputSize - 1,
        symbol_names: dataset.classLabels ?? null,
        edits,
        confusions: [...counts.values()].sort((a, b) => b.count - a.count).slice(0, MAX_CONFUSIONS),
        misread: worst.items,
        ...(isAligned && { alignments: [...typical, ...misread] }),
      };
    },
  };
}

/** The weight of each step of the input for each predicted symbol, 255 for 1; empty if unknown. */
function weightsOf({ loss, spec }: ModelRun, { outputs, decoded = [] }: Prediction): Uint8Array {
  const [{ symbols, logProbability, attended = [] }] = decoded;
  if (Number.isNaN(logProbability)) return new Uint8Array();
  if (loss.kind !== 'ctc') return Buffer.concat(attended.map(({ weights }) => weights));
  const classes = spec.outputSize;
  const steps = outputs.length / classes;
  if (symbols.length * steps > MAX_WEIGHTS) return new Uint8Array();
  const occupancy = occupancyOf(classProbabilities(outputs, { steps, classes }), symbols);
  return Uint8Array.from(occupancy, probability => Math.round(255 * probability));
}

function kindOfEdit({ target, predicted }: AlignedPair) {
  if (target === null) return 'insertions';
  return predicted === null ? 'deletions' : 'substitutions';
}

/** Size of the spectrogram of a recording. */
const MAX_COLUMNS = 300;
const BANDS = 40;

/** The recording of a sequence as a picture; empty for other data, or if its file has gone. */
function pictureOf(split: Split | undefined, index: number): { readonly recording?: RecordingPicture } {
  const part = split?.recording?.(index);
  const sound = part && readSound(part);
  if (!sound) return {};
  const { name: file, start, end } = part;
  return {
    recording: {
      file,
      ...(start !== undefined && { start }),
      ...(end !== undefined && { end }),
      seconds: sound.samples.length / sound.rate,
      bands: BANDS,
      spectrogram: Buffer.from(spectrogram(sound, BANDS, MAX_COLUMNS)).toString('base64'),
    },
  };
}

function countedPredictions({ targets, count, lengths }: Split): number {
  if (targets.kind !== 'value') return 0;
  const { values, size, perStep = false } = targets;
  const predictions = values.length / size / count;
  let counted = 0;
  for (let index = 0; index < count; index++) {
    const steps = perStep ? (lengths?.[index] ?? predictions) : 1;
    for (let step = 0; step < steps; step++) {
      if (!Number.isNaN(values[(index * predictions + step) * size])) counted++;
    }
  }
  return counted;
}

function worstValue(
  target: readonly number[],
  point: readonly number[],
  absolute_error: number,
): Omit<WorstValue, keyof PredictionPlace> {
  return { target: target.slice(0, MAX_NUMBERS), prediction: point.slice(0, MAX_NUMBERS), absolute_error };
}

function placeOf(
  { spec }: ModelRun,
  { index, id }: PredictedSequence,
  { step }: Prediction,
): PredictionPlace {
  return {
    index,
    ...(id !== undefined && { id }),
    ...(predictsEachStep(spec.head) && { step_in_sequence: step }),
  };
}

/** Outputs that vary by less than this fraction of their targets' range count as constant. */
const MIN_FRACTION = 0.01;

/** Detects models that predict the same for every input although the targets differ. */
class OutputSpread {
  /** Predicted sequences and targets, up to two different ones. */
  private readonly seen = { predicted: new Set<string>(), target: new Set<string>() };
  /** For each output, the smallest and the largest prediction, and target. */
  private readonly ranges: [least: number, most: number, leastTarget: number, mostTarget: number][] = [];

  constructor(private readonly task: Task) {}

  add(prediction: Prediction): void {
    const { point, target } = prediction;
    if (this.task === 'sequences') {
      const { seen } = this;
      if (seen.predicted.size < 2) seen.predicted.add(point.join());
      if (seen.target.size < 2) seen.target.add(target.join());
      return;
    }
    const predictions = this.task === 'classes' ? [decidedClass(prediction)] : point;
    for (let i = 0; i < target.length; i++) {
      const [a, b, c, d] = this.ranges[i] ?? [Infinity, -Infinity, Infinity, -Infinity];
      const [one, other] = [predictions[i], target[i]];
      this.ranges[i] = [Math.min(a, one), Math.max(b, one), Math.min(c, other), Math.max(d, other)];
    }
  }

  /**
   * Classes and sequences: true if all predictions are the same. Labels and values: true if each
   * output varies by less than 1 % of its targets' range. False if the targets do not vary.
   */
  get isConstant(): boolean {
    const { predicted, target } = this.seen;
    if (this.task === 'sequences') return predicted.size === 1 && target.size > 1;
    const varied = this.ranges.filter(([, , least, most]) => most > least);
    return varied.length > 0 && varied.every(([a, b, c, d]) => b - a < MIN_FRACTION * (d - c));
  }
}
