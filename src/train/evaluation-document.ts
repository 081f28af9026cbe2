/** Collects the content of `evaluation.json` while an evaluation runs over a split. */

import type { Dataset, Split, SplitName } from '../data/index.js';
import { lossOf, targetSize, taskOf } from '../math/losses/index.js';
import { Counts } from '../math/metrics/counts.js';
import { addLabels, predictedClass } from '../math/metrics/decisions.js';
import { absoluteError, Errors, type OutputErrors } from '../math/metrics/errors.js';
import { accumulator, type Task } from '../math/metrics/index.js';
import { meanOf } from '../math/metrics/metric.js';
import { answersEachStep } from '../math/model/heads.js';
import { predictionsOf } from '../math/model/inputs.js';
import type {
  ClassEvaluation,
  LabelEvaluation,
  Mistake,
  OutputScores,
  PictureLayout,
  PredictionPlace,
  SplitEvaluation,
  ValueEvaluation,
  ValuePair,
  WorstValue,
} from '../run/evaluation.js';
import { shortestDecimal } from '../util/decimals.js';
import type { Evaluation } from './evaluator.js';
import type { Position } from './loop.js';
import { type PredictedSequence, type Prediction, probabilityOf, Readout } from './predictions.js';
import type { ModelRun } from './shards.js';

/** Maximum number of worst predictions to list. */
const MAX_WORST = 24;
/**
 * Maximum classes of a confusion matrix: its size grows with the square, and nobody reads larger
 * ones.
 */
const MAX_CONFUSED = 100;
/** Maximum pixels of a picture, so that the file stays below a few megabytes. */
const MAX_PIXELS = 10_000;
/** Maximum numbers listed of a target and of its prediction. */
const MAX_NUMBERS = 100;
const MAX_PAIRS = 200;
/** Numbers of a target in each pair: as many as are plotted. */
const MAX_PLOTTED = 4;
/** Maximum classes or labels with listed scores, and targets with listed errors. */
const MAX_SCORED = 1000;
const MAX_OUTPUTS = 100;

/** The run's position and the evaluation's result. */
type Outcome = Evaluation & Pick<Position, 'epoch' | 'step'>;

export interface EvaluationCollector {
  /** Adds the next sequence of the split. */
  add(sequence: PredictedSequence): void;
  /** Returns the document, after the last sequence. */
  document(outcome: Outcome): SplitEvaluation;
}

export function evaluationCollector(run: ModelRun, dataset: Dataset, split: SplitName): EvaluationCollector {
  const task = taskOf(run.loss);
  const collector = collectorOf(task, run, dataset, split);
  const spread = new OutputSpread(task);
  return {
    add(sequence) {
      collector.add(sequence);
      spread.add(sequence);
    },
    document: outcome => ({ ...collector.document(outcome), constant: spread.isConstant }),
  };
}

function collectorOf(task: Task, run: ModelRun, dataset: Dataset, split: SplitName): EvaluationCollector {
  switch (task) {
    case 'classes':
      return new ClassCollector(run, dataset, split);
    case 'labels':
      return new LabelCollector(run, dataset, split);
    case 'values':
      return new ValueCollector(run, dataset, split);
  }
}

/** Fields that start every document. */
function factsOf<K extends SplitEvaluation['kind']>(
  kind: K,
  split: SplitName,
  { epoch, step, count, loss }: Outcome,
) {
  return { version: 1, kind, split, epoch, step, predictions: count, loss } as const;
}

class ClassCollector implements EvaluationCollector {
  private readonly confusion: number[][] | null;
  private readonly mistakes = new Worst<Mistake>(MAX_WORST);
  private readonly pictures: PictureLayout | null;
  private undecided = 0;
  private readonly accuracy = accumulator('classes', 'accuracy', 0);
  private readonly counts: Counts;

  constructor(
    private readonly run: ModelRun,
    private readonly dataset: Dataset,
    private readonly split: SplitName,
  ) {
    const classes = run.spec.outputSize;
    this.counts = new Counts(classes);
    this.confusion =
      classes <= MAX_CONFUSED
        ? Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
        : null;
    this.pictures = pictureLayout(dataset, split);
  }

  add(sequence: PredictedSequence): void {
    for (const prediction of sequence.predictions) {
      if (!prediction.counts) continue;
      const predicted = predictedClass(prediction.outputs);
      const [label] = prediction.target;
      this.accuracy.add(prediction);
      this.counts.addClass(label, predicted);
      if (predicted < 0) this.undecided++;
      else if (this.confusion) this.confusion[label][predicted]++;
      if (predicted !== label)
        this.mistakes.offer(prediction.loss, () => this.mistake(sequence, prediction, predicted));
    }
  }

  document(outcome: Outcome): ClassEvaluation {
    return {
      ...factsOf('class', this.split, outcome),
      accuracy: this.accuracy.value ?? Number.NaN,
      classes: this.run.spec.outputSize,
      class_names: this.dataset.classLabels ?? null,
      confusion: this.confusion,
      per_class: this.run.spec.outputSize <= MAX_SCORED ? this.counts.scores : null,
      undecided: this.undecided,
      mistakes: this.mistakes.things,
      pictures: this.pictures,
    };
  }

  private mistake(sequence: PredictedSequence, prediction: Prediction, predicted: number): Mistake {
    const { outputs, target, loss } = prediction;
    const [label] = target;
    const picture = this.pictures && this.dataset[this.split]?.image?.(sequence.index);
    return {
      ...placeOf(this.run, sequence, prediction),
      label,
      predicted: predicted < 0 ? null : predicted,
      loss,
      probability: predicted < 0 ? Number.NaN : probabilityOf(outputs, predicted),
      label_probability: probabilityOf(outputs, label),
      ...(picture && { picture: Buffer.from(picture).toString('base64') }),
    };
  }
}

class ValueCollector implements EvaluationCollector {
  private readonly error = meanOf(absoluteError);
  private readonly worst = new Worst<WorstValue>(MAX_WORST);
  private readonly sample: ValuePair[] = [];
  /** Their indices among the predictions that count. */
  private readonly wanted: ReadonlySet<number>;
  private counted = 0;
  private readonly errors: Errors;
  /** Numbers per target. */
  private readonly size: number;
  private readonly shown: Shown;

  constructor(
    private readonly run: ModelRun,
    private readonly dataset: Dataset,
    private readonly split: SplitName,
  ) {
    this.size = targetSize(run.loss, run.spec.outputSize);
    this.shown = shownOf(run, dataset, split);
    this.errors = new Errors(this.size);
    this.wanted = spread(countedPredictions(dataset[split]), MAX_PAIRS);
  }

  add(sequence: PredictedSequence): void {
    for (const prediction of sequence.predictions) {
      if (!prediction.counts) continue;
      const error = absoluteError(prediction);
      this.error.add(prediction);
      this.errors.add(prediction);
      const place = placeOf(this.run, sequence, prediction);
      this.worst.offer(error, () => ({
        ...place,
        ...worstValue(prediction, this.shown(prediction, sequence.index)),
      }));
      if (!this.wanted.has(this.counted++)) continue;
      const { target, point } = this.shown(prediction, sequence.index);
      const plotted = (values: readonly number[]) =>
        this.size === 1 ? values[0] : values.slice(0, MAX_PLOTTED);
      this.sample.push({ ...place, target: plotted(target), prediction: plotted(point) });
    }
  }

  document(outcome: Outcome): ValueEvaluation {
    return {
      ...factsOf('value', this.split, outcome),
      mean_absolute_error: this.error.value ?? Number.NaN,
      worst: this.worst.things,
      target_names: this.dataset.targetNames ?? null,
      per_output: this.size <= MAX_OUTPUTS ? this.errors.outputs.map(outputScores) : null,
      sample: this.sample,
    };
  }
}

/** The decimals of a prediction and of its target, as they are shown. */
interface Decimals {
  readonly point: readonly number[];
  readonly target: readonly number[];
}

/** Returns the decimals of a prediction for a sequence of a split. */
type Shown = (prediction: Prediction, sequence: number) => Decimals;

function shownOf(run: ModelRun, dataset: Dataset, split: SplitName): Shown {
  const data = dataset[split];
  if (data === undefined) return ({ point, target }) => ({ point: [...point], target: [...target] });
  const readout = new Readout(lossOf(run.loss), data.targets);
  const steps = predictionsOf(run.spec, run.sequenceLength);
  return ({ point, target, step }, sequence) => {
    const at = sequence * steps + step;
    return { point: readout.decimals(point, at), target: readout.targetDecimals(at, target) };
  };
}

/** Number of value predictions with a known target. */
function countedPredictions(split: Split | undefined): number {
  if (split?.targets.kind !== 'value') return 0;
  const { targets, count, lengths } = split;
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

/** Leaves out undefined scores. */
function outputScores({ r2, ...errors }: OutputErrors): OutputScores {
  return { ...errors, ...(r2 !== undefined && { r2 }) };
}

function worstValue(
  prediction: Prediction,
  { point, target }: Decimals,
): Omit<WorstValue, keyof PredictionPlace> {
  return {
    target: target.slice(0, MAX_NUMBERS),
    prediction: point.slice(0, MAX_NUMBERS),
    absolute_error: absoluteError(prediction),
  };
}

class LabelCollector implements EvaluationCollector {
  private readonly accuracy = accumulator('labels', 'accuracy', 0);
  private readonly counts: Counts;
  private readonly worst = new Worst<WorstValue>(MAX_WORST);

  constructor(
    private readonly run: ModelRun,
    private readonly dataset: Dataset,
    private readonly split: SplitName,
  ) {
    this.counts = new Counts(run.spec.outputSize);
  }

  add(sequence: PredictedSequence): void {
    for (const prediction of sequence.predictions) {
      if (!prediction.counts) continue;
      this.accuracy.add(prediction);
      addLabels(this.counts, prediction);
      this.worst.offer(prediction.loss, () => ({
        ...placeOf(this.run, sequence, prediction),
        ...worstValue(prediction, {
          point: Array.from(prediction.point, value => shortestDecimal(value)),
          target: Array.from(prediction.target, value => shortestDecimal(value)),
        }),
      }));
    }
  }

  document(outcome: Outcome): LabelEvaluation {
    return {
      ...factsOf('label', this.split, outcome),
      accuracy: this.accuracy.value ?? Number.NaN,
      target_names: this.dataset.targetNames ?? null,
      per_label: this.run.spec.outputSize <= MAX_SCORED ? this.counts.scores : null,
      worst: this.worst.things,
    };
  }
}

function placeOf(
  { spec }: ModelRun,
  { index, id }: PredictedSequence,
  { step }: Prediction,
): PredictionPlace {
  return {
    index,
    ...(id !== undefined && { id }),
    ...(answersEachStep(spec.head) && { step_in_sequence: step }),
  };
}

function pictureLayout({ image, ...splits }: Dataset, split: SplitName): PictureLayout | null {
  if (!image || !splits[split]?.image || image.width * image.height > MAX_PIXELS) return null;
  return { width: image.width, height: image.height, encoding: 'base64-uint8' };
}

/** At most `most` of 0, 1, …, count-1, evenly spaced. */
function spread(count: number, most: number): ReadonlySet<number> {
  const length = Math.min(count, most);
  return new Set(Array.from({ length }, (_, i) => Math.floor((i * count) / length)));
}

/** Outputs that vary by less than this share of their targets' range count as constant. */
const MIN_SHARE = 0.01;

class Range {
  private min = Number.POSITIVE_INFINITY;
  private max = Number.NEGATIVE_INFINITY;

  add(value: number): void {
    this.min = Math.min(this.min, value);
    this.max = Math.max(this.max, value);
  }

  get width(): number {
    return this.max - this.min;
  }
}

/** Detects models that predict the same for every input although the targets differ. */
class OutputSpread {
  private readonly ranges: { readonly answer: Range; readonly target: Range }[] = [];

  constructor(private readonly task: Task) {}

  add({ predictions }: PredictedSequence): void {
    for (const { counts, outputs, point, target } of predictions) {
      if (!counts) continue;
      const answers = this.task === 'classes' ? [predictedClass(outputs)] : point;
      for (let i = 0; i < target.length; i++) {
        this.ranges[i] ??= { answer: new Range(), target: new Range() };
        this.ranges[i].answer.add(answers[i]);
        this.ranges[i].target.add(target[i]);
      }
    }
  }

  /**
   * Classes: true if every prediction is the same class. Labels and values: true if each output
   * varies by less than 1 % of its targets' range. False if the targets do not vary.
   */
  get isConstant(): boolean {
    const varied = this.ranges.filter(({ target }) => target.width > 0);
    return varied.length > 0 && varied.every(({ answer, target }) => answer.width < MIN_SHARE * target.width);
  }
}

interface Ranked<T> {
  readonly badness: number;
  readonly thing: T;
}

/** Keeps the few things with the greatest badness. */
class Worst<T> {
  /** Worst first; ties in order of arrival. */
  private readonly kept: Ranked<T>[] = [];

  constructor(private readonly most: number) {}

  /** Calls `make` if the thing is among the worst so far. NaN is worse than infinity. */
  offer(badness: number, make: () => T): void {
    const worse = (a: number, b: number) => (Number.isNaN(a) ? !Number.isNaN(b) : a > b);
    const { kept, most } = this;
    if (kept.length === most && !worse(badness, kept[most - 1].badness)) return;
    const at = kept.findIndex(other => worse(badness, other.badness));
    kept.splice(at < 0 ? kept.length : at, 0, { badness, thing: make() });
    if (kept.length > most) kept.pop();
  }

  get things(): readonly T[] {
    return this.kept.map(({ thing }) => thing);
  }
}
