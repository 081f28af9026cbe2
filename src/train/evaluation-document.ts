/** Collects the content of `evaluation.json` while an evaluation runs over a split. */
import type { Dataset, Split, SplitName } from '../data/index.js';
import { lossOf, targetSize, taskOf } from '../math/losses/index.js';
import { Counts } from '../math/metrics/counts.js';
import { addLabels, predictedClass } from '../math/metrics/decisions.js';
import { absoluteError, Errors, type OutputErrors } from '../math/metrics/errors.js';
import { accumulator, type Task } from '../math/metrics/index.js';
import { meanOf } from '../math/metrics/metric.js';
import { predictsEachStep } from '../math/model/heads.js';
import { predictionsOf } from '../math/model/inputs.js';
import type {
  ClassEvaluation,
  ImageLayout,
  LabelEvaluation,
  Mistake,
  OutputScores,
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

/** The run's position and the evaluation's result. */
type Outcome = Evaluation & Pick<Position, 'epoch' | 'step'>;

export interface EvaluationCollector {
  /** Adds the next sequence of the split. */
  add(sequence: PredictedSequence): void;
  /** Returns the document, after the last sequence. */
  document(outcome: Outcome): SplitEvaluation;
}

/** Fields that start every document. */
type CommonField = 'version' | 'kind' | 'split' | 'epoch' | 'step' | 'predictions' | 'loss' | 'constant';

/** Collects what the document of one task has besides the common fields. */
interface TaskCollector<D extends SplitEvaluation = SplitEvaluation> {
  readonly kind: D['kind'];
  /** Adds a prediction that counts. */
  add(prediction: Prediction, sequence: PredictedSequence): void;
  fields(): Omit<D, CommonField>;
}

const COLLECTORS: Readonly<
  Record<Task, (run: ModelRun, dataset: Dataset, split: SplitName) => TaskCollector>
> = { classes: classCollector, labels: labelCollector, values: valueCollector };

export function evaluationCollector(run: ModelRun, dataset: Dataset, split: SplitName): EvaluationCollector {
  const task = taskOf(run.loss);
  const collector = COLLECTORS[task](run, dataset, split);
  const spread = new OutputSpread(task);
  return {
    add(sequence) {
      for (const prediction of sequence.predictions) {
        if (!prediction.counts) continue;
        collector.add(prediction, sequence);
        spread.add(prediction);
      }
    },
    document: ({ epoch, step, count: predictions, loss }) => {
      const common = { version: 1, kind: collector.kind, split, epoch, step, predictions, loss } as const;
      return { ...common, ...collector.fields(), constant: spread.isConstant } as SplitEvaluation;
    },
  };
}

function classCollector(run: ModelRun, dataset: Dataset, split: SplitName): TaskCollector<ClassEvaluation> {
  const classes = run.spec.outputSize;
  const confusion =
    classes <= MAX_CONFUSED
      ? Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
      : null;
  const mistakes = new Worst<Mistake>(MAX_WORST);
  const images = imageLayout(dataset, split);
  const accuracy = accumulator('classes', 'accuracy', 0);
  const counts = new Counts(classes);
  let undecided = 0;
  const mistake = (prediction: Prediction, sequence: PredictedSequence, predicted: number): Mistake => {
    const { outputs, target, loss } = prediction;
    const [label] = target;
    const image = images && dataset[split]?.image?.(sequence.index);
    return {
      ...placeOf(run, sequence, prediction),
      label,
      predicted: predicted < 0 ? null : predicted,
      loss,
      probability: predicted < 0 ? Number.NaN : probabilityOf(outputs, predicted),
      label_probability: probabilityOf(outputs, label),
      ...(image && { image: Buffer.from(image).toString('base64') }),
    };
  };
  return {
    kind: 'class',
    add(prediction, sequence) {
      const predicted = predictedClass(prediction.outputs);
      const [label] = prediction.target;
      accuracy.add(prediction);
      counts.addClass(label, predicted);
      if (predicted < 0) undecided++;
      else if (confusion) confusion[label][predicted]++;
      if (predicted !== label)
        mistakes.offer(prediction.loss, () => mistake(prediction, sequence, predicted));
    },
    fields: () => ({
      accuracy: accuracy.value ?? Number.NaN,
      classes,
      class_names: dataset.classLabels ?? null,
      confusion,
      per_class: classes <= MAX_SCORED ? counts.scores : null,
      undecided,
      mistakes: mistakes.things,
      images,
    }),
  };
}

function valueCollector(run: ModelRun, dataset: Dataset, split: SplitName): TaskCollector<ValueEvaluation> {
  /** Numbers per target. */
  const size = targetSize(run.loss, run.spec.outputSize);
  const shown = shownOf(run, dataset, split);
  const error = meanOf(absoluteError);
  const errors = new Errors(size);
  const worst = new Worst<WorstValue>(MAX_WORST);
  const sample: ValuePair[] = [];
  const sampled = spread(countedPredictions(dataset[split]), MAX_PAIRS);
  let counted = 0;
  return {
    kind: 'value',
    add(prediction, sequence) {
      error.add(prediction);
      errors.add(prediction);
      const place = placeOf(run, sequence, prediction);
      worst.offer(absoluteError(prediction), () => ({
        ...place,
        ...worstValue(prediction, shown(prediction, sequence.index)),
      }));
      if (!sampled.has(counted++)) return;
      const { target, point } = shown(prediction, sequence.index);
      const plotted = (values: readonly number[]) => (size === 1 ? values[0] : values.slice(0, MAX_PLOTTED));
      sample.push({ ...place, target: plotted(target), prediction: plotted(point) });
    },
    fields: () => ({
      mean_absolute_error: error.value ?? Number.NaN,
      worst: worst.things,
      target_names: dataset.targetNames ?? null,
      per_output: size <= MAX_OUTPUTS ? errors.outputs.map(outputScores) : null,
      sample,
    }),
  };
}

function labelCollector(run: ModelRun, dataset: Dataset): TaskCollector<LabelEvaluation> {
  const accuracy = accumulator('labels', 'accuracy', 0);
  const counts = new Counts(run.spec.outputSize);
  const worst = new Worst<WorstValue>(MAX_WORST);
  return {
    kind: 'label',
    add(prediction, sequence) {
      accuracy.add(prediction);
      addLabels(counts, prediction);
      worst.offer(prediction.loss, () => ({
        ...placeOf(run, sequence, prediction),
        ...worstValue(prediction, {
          point: Array.from(prediction.point, value => shortestDecimal(value)),
          target: Array.from(prediction.target, value => shortestDecimal(value)),
        }),
      }));
    },
    fields: () => ({
      accuracy: accuracy.value ?? Number.NaN,
      target_names: dataset.targetNames ?? null,
      per_label: run.spec.outputSize <= MAX_SCORED ? counts.scores : null,
      worst: worst.things,
    }),
  };
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

function imageLayout({ image, ...splits }: Dataset, split: SplitName): ImageLayout | null {
  if (!image || !splits[split]?.image || image.width * image.height > MAX_PIXELS) return null;
  return { width: image.width, height: image.height, encoding: 'base64-uint8' };
}

/** At most `most` of 0, 1, …, count-1, evenly spaced. */
function spread(count: number, most: number): ReadonlySet<number> {
  const length = Math.min(count, most);
  return new Set(Array.from({ length }, (_, i) => Math.floor((i * count) / length)));
}

/** Outputs that vary by less than this fraction of their targets' range count as constant. */
const MIN_FRACTION = 0.01;

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
  private readonly ranges: { readonly prediction: Range; readonly target: Range }[] = [];

  constructor(private readonly task: Task) {}

  add({ outputs, point, target }: Prediction): void {
    const predictions = this.task === 'classes' ? [predictedClass(outputs)] : point;
    for (let i = 0; i < target.length; i++) {
      this.ranges[i] ??= { prediction: new Range(), target: new Range() };
      this.ranges[i].prediction.add(predictions[i]);
      this.ranges[i].target.add(target[i]);
    }
  }

  /**
   * Classes: true if every prediction is the same class. Labels and values: true if each output
   * varies by less than 1 % of its targets' range. False if the targets do not vary.
   */
  get isConstant(): boolean {
    const varied = this.ranges.filter(({ target }) => target.width > 0);
    return (
      varied.length > 0 &&
      varied.every(({ prediction, target }) => prediction.width < MIN_FRACTION * target.width)
    );
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
