/** What an evaluation saw of a split, gathered while it runs: the content of `evaluation.json`. */

import { lossFacts, targetSize } from '../config/index.js';
import type { Dataset, SplitName } from '../data/index.js';
import type {
  ClassEvaluation,
  Mistake,
  PictureLayout,
  PredictionPlace,
  SplitEvaluation,
  ValueEvaluation,
  ValuePair,
  WorstValue,
} from '../experiment/evaluation.js';
import { classesMeans, predictedClass } from '../metrics/classes.js';
import { meanOf } from '../metrics/metric.js';
import { valuesMeans } from '../metrics/values.js';
import { answersEachStep } from '../model/heads.js';
import type { Evaluation } from './evaluator.js';
import type { Position } from './loop.js';
import { OutputSpread } from './output-spread.js';
import { type PredictedSequence, type Prediction, probabilityOf } from './predictions.js';
import type { ModelRun } from './shards.js';
import { Worst } from './worst.js';

/** Predictions that are told one by one. */
const MOST_WORST = 24;
/** A larger matrix serves no reader; its size grows with the square. */
const MOST_CONFUSED = 100;
/** Larger pictures would make the file one of megabytes. */
const MOST_PIXELS = 10_000;
/** Of a target, and of its prediction. */
const MOST_NUMBERS = 100;
const MOST_PAIRS = 200;

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
  const collector =
    task === 'classes' ? new ClassCollector(run, dataset, split) : new ValueCollector(run, dataset, split);
  const spread = new OutputSpread(task);
  return {
    add(sequence) {
      collector.add(sequence);
      spread.add(sequence);
    },
    document: outcome => ({ ...collector.document(outcome), constant: spread.isConstant }),
  };
}

class ClassCollector implements EvaluationCollector {
  private readonly confusion: number[][] | null;
  private readonly mistakes = new Worst<Mistake>(MOST_WORST);
  private readonly pictures: PictureLayout | null;
  private undecided = 0;
  private readonly accuracy = meanOf(classesMeans.accuracy);

  constructor(
    private readonly run: ModelRun,
    private readonly dataset: Dataset,
    private readonly split: SplitName,
  ) {
    const classes = run.spec.outputSize;
    this.confusion =
      classes <= MOST_CONFUSED
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
      if (predicted < 0) this.undecided++;
      else if (this.confusion) this.confusion[label][predicted]++;
      if (predicted !== label)
        this.mistakes.offer(prediction.loss, () => this.mistake(sequence, prediction, predicted));
    }
  }

  document({ epoch, step, count, loss }: Outcome): ClassEvaluation {
    return {
      version: 1,
      kind: 'class',
      split: this.split,
      epoch,
      step,
      predictions: count,
      loss,
      accuracy: this.accuracy.value ?? Number.NaN,
      classes: this.run.spec.outputSize,
      class_names: this.dataset.classLabels ?? null,
      confusion: this.confusion,
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
  private readonly worst = new Worst<WorstValue>(MOST_WORST);
  private readonly sample: ValuePair[] | null;
  private readonly wanted: ReadonlySet<number>;

  constructor(
    private readonly run: ModelRun,
    dataset: Dataset,
    private readonly split: SplitName,
  ) {
    this.sample = targetSize(run.loss, run.spec.outputSize) === 1 ? [] : null;
    this.wanted = spread(dataset[split]?.count ?? 0, MOST_PAIRS);
  }

  add(sequence: PredictedSequence): void {
    const { index, predictions } = sequence;
    for (const prediction of predictions) {
      if (!prediction.counts) continue;
      const { point, target } = prediction;
      const error = valuesMeans.mean_absolute_error(prediction);
      this.error.add(prediction);
      const place = placeOf(this.run, sequence, prediction);
      this.worst.offer(error, () => ({
        ...place,
        target: [...target.subarray(0, MOST_NUMBERS)],
        prediction: [...point.subarray(0, MOST_NUMBERS)],
        absolute_error: error,
      }));
      if (this.wanted.has(index)) this.sample?.push({ ...place, target: target[0], prediction: point[0] });
    }
  }

  document({ epoch, step, count, loss }: Outcome): ValueEvaluation {
    return {
      version: 1,
      kind: 'value',
      split: this.split,
      epoch,
      step,
      predictions: count,
      loss,
      mean_absolute_error: this.error.value ?? Number.NaN,
      worst: this.worst.things,
      sample: this.sample,
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
  if (!picture || !splits[split]?.picture || picture.width * picture.height > MOST_PIXELS) return null;
  return { width: picture.width, height: picture.height, encoding: 'base64-uint8' };
}

/** At most `most` of 0, 1, …, count-1, evenly apart. */
function spread(count: number, most: number): ReadonlySet<number> {
  const length = Math.min(count, most);
  return new Set(Array.from({ length }, (_, i) => Math.floor((i * count) / length)));
}
