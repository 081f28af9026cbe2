/** What an evaluation saw of a split, gathered while it runs: the content of `evaluation.json`. */

import { lossFacts, type Task, targetSize } from '../../config/index.js';
import type { Dataset, Split, SplitName } from '../../data/index.js';
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
} from '../../experiment/evaluation.js';
import { classesMeans, predictedClass } from '../../metrics/classes.js';
import { Counts } from '../../metrics/counts.js';
import { addLabels, labelsMeans } from '../../metrics/labels.js';
import { meanOf, type Numbers } from '../../metrics/metric.js';
import { Errors, type OutputErrors, valuesMeans } from '../../metrics/values.js';
import { answersEachStep } from '../../model/heads.js';
import type { Position } from '../run/loop.js';
import { type PredictedSequence, type Prediction, probabilityOf } from '../step/predictions.js';
import type { ModelRun } from '../step/shards.js';
import type { Evaluation } from './evaluator.js';
import { OutputSpread } from './output-spread.js';
import { Worst } from './worst.js';

/** Predictions that are told one by one. */
const MAX_WORST = 24;
/** A larger matrix serves no reader; its size grows with the square. */
const MAX_CONFUSED = 100;
/** Larger pictures would make the file one of megabytes. */
const MAX_PIXELS = 10_000;
/** Of a target, and of its prediction. */
const MAX_NUMBERS = 100;
const MAX_PAIRS = 200;
/** Numbers of a target that pairs have: as many as are plotted. */
const MAX_PLOTTED = 4;
/** Classes or labels whose scores are listed, and targets whose errors are. */
const MAX_SCORED = 1000;
const MAX_OUTPUTS = 100;

/** Where the run stood, and what came out. */
type Outcome = Evaluation & Pick<Position, 'epoch' | 'step'>;

export interface EvaluationCollector {
  /** Takes the sequences of the split in their order. */
  add(sequence: PredictedSequence): void;
  /** After the last. */
  document(outcome: Outcome): SplitEvaluation;
}

export function evaluationCollector(run: ModelRun, dataset: Dataset, split: SplitName): EvaluationCollector {
  const { task } = lossFacts(run.loss);
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

/** What every document begins with. */
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
  private readonly accuracy = meanOf(classesMeans.accuracy);
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
    const picture = this.pictures && this.dataset[this.split]?.picture?.(sequence.index);
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
  private readonly error = meanOf(valuesMeans.mean_absolute_error);
  private readonly worst = new Worst<WorstValue>(MAX_WORST);
  private readonly sample: ValuePair[] = [];
  /** By their place among the predictions that count. */
  private readonly wanted: ReadonlySet<number>;
  private counted = 0;
  private readonly errors: Errors;
  /** Numbers of a target. */
  private readonly size: number;

  constructor(
    private readonly run: ModelRun,
    private readonly dataset: Dataset,
    private readonly split: SplitName,
  ) {
    this.size = targetSize(run.loss, run.spec.outputSize);
    this.errors = new Errors(this.size);
    this.wanted = spread(countedPredictions(dataset[split]), MAX_PAIRS);
  }

  add(sequence: PredictedSequence): void {
    for (const prediction of sequence.predictions) {
      if (!prediction.counts) continue;
      const { point, target } = prediction;
      const error = valuesMeans.mean_absolute_error(prediction);
      this.error.add(prediction);
      this.errors.add(prediction);
      const place = placeOf(this.run, sequence, prediction);
      this.worst.offer(error, () => ({ ...place, ...worstValue(prediction) }));
      if (!this.wanted.has(this.counted++)) continue;
      const plotted = (values: Numbers) =>
        this.size === 1 ? values[0] : [...values.subarray(0, MAX_PLOTTED)];
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

/** Predictions of values whose target is known. */
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

/** What is not defined is left out. */
function outputScores({ r2, ...errors }: OutputErrors): OutputScores {
  return { ...errors, ...(r2 !== undefined && { r2 }) };
}

function worstValue(prediction: Prediction): Omit<WorstValue, keyof PredictionPlace> {
  const { point, target } = prediction;
  return {
    target: [...target.subarray(0, MAX_NUMBERS)],
    prediction: [...point.subarray(0, MAX_NUMBERS)],
    absolute_error: valuesMeans.mean_absolute_error(prediction),
  };
}

class LabelCollector implements EvaluationCollector {
  private readonly accuracy = meanOf(labelsMeans.accuracy);
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
        ...worstValue(prediction),
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

function pictureLayout({ picture, ...splits }: Dataset, split: SplitName): PictureLayout | null {
  if (!picture || !splits[split]?.picture || picture.width * picture.height > MAX_PIXELS) return null;
  return { width: picture.width, height: picture.height, encoding: 'base64-uint8' };
}

/** At most `most` of 0, 1, …, count-1, evenly apart. */
function spread(count: number, most: number): ReadonlySet<number> {
  const length = Math.min(count, most);
  return new Set(Array.from({ length }, (_, i) => Math.floor((i * count) / length)));
}
