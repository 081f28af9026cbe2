/** Collects the evaluation of classes: confusions, scores and the worst mistakes. */
import type { Dataset, Split, SplitName } from '../../data/core/dataset.js';
import { subset } from '../../data/core/store.js';
import { accumulator } from '../../math/metrics/index.js';
import { decidedClass } from '../../math/metrics/metric.js';
import { Counts } from '../../math/metrics/scores.js';
import { predictsEachStep } from '../../math/model/heads.js';
import {
  contextOf,
  MAX_SCORED,
  type Predict,
  pictureOf,
  placeOf,
  type TaskCollector,
  Worst,
} from '../core/collector.js';
import {
  absentLabels,
  placeOfData,
  strayLabels,
  untrainedLabels,
  weightProblems,
} from '../core/label-checks.js';
import type { TaskModel } from '../core/prediction.js';
import type { TaskChecks } from '../core/task.js';
import { type ClassEvaluation, confusionOfLargest, type Mistake } from './facts.js';
import { probabilityOf } from './readout.js';

/** Maximum classes of a whole confusion matrix: its size grows with the square. */
const MAX_CONFUSED = 100;
/** Maximum pixels of an image, so that the file stays below a few megabytes. */
const MAX_PIXELS = 10_000;

export function classCollector(
  run: TaskModel,
  dataset: Dataset,
  split: SplitName,
): TaskCollector<ClassEvaluation> {
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
    complete: async (document, predict) => {
      const data = dataset[split];
      return data ? withBeginnings(document, run, data, predict) : document;
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

export const classChecks: TaskChecks = {
  outputs: (_loss, _targets, classes) => classes,
  *problems({ loss, hasThreshold, outputSize, places }) {
    if (loss.kind === 'cross_entropy')
      yield* weightProblems(places, 'class_weights', loss.class_weights, [outputSize, 'classes']);
    if (!hasThreshold || outputSize === 2) return;
    const message = `a threshold decides between two classes, but the model has ${outputSize}`;
    yield places.atKey(['threshold'], 'config/confidence', message, { expected: 'no `threshold`' });
  },
  damage: strayLabels,
  *warnings(checked) {
    const { data, model, places } = checked;
    if (data.labels && model.num_classes === undefined) yield* untrainedLabels(checked, ['class', 'classes']);
    yield* absentLabels(checked);
    if (!data.labels || data.labels.trainClasses - (data.labels.gap?.count ?? 0) !== 1) return;
    const message = 'all training labels have the same class, so there is nothing to learn';
    yield places.atValue(placeOfData(places), 'data/one-class', message);
  },
};

/** Recordings, the worst first, and parts of each. */
const MAX_RECORDINGS = 8;
const PARTS = 20;
const DIGITS = 4;

interface Beginning {
  readonly index: number;
  readonly steps: number;
}

/** Adds to the mistakes of recordings the probabilities of their classes over time. */
async function withBeginnings(
  document: ClassEvaluation,
  { spec, sequenceLength, variableLength }: TaskModel,
  split: Split,
  predict: Predict,
): Promise<ClassEvaluation> {
  if (!variableLength || predictsEachStep(spec.head) || spec.carriesState) return document;
  const shown = document.mistakes.filter(({ recording }) => recording).slice(0, MAX_RECORDINGS);
  const beginnings = shown.flatMap(({ index }) => {
    const steps = split.lengths?.[index] ?? sequenceLength;
    return Array.from({ length: PARTS }, (_, i): Beginning => {
      return { index, steps: Math.ceil(((i + 1) * steps) / PARTS) };
    });
  });
  if (beginnings.length === 0) return document;
  const outputs: ArrayLike<number>[] = [];
  await predict(splitOf(split, beginnings, sequenceLength), ({ index, predictions }) => {
    outputs[index] = Float64Array.from(predictions[0].outputs);
  });
  const overTime = ({ label, predicted }: Mistake, first: number): NonNullable<Mistake['over_time']> => {
    const probabilitiesOf = (k: number) =>
      Array.from({ length: PARTS }, (_, i) => Number(probabilityOf(outputs[first + i], k).toFixed(DIGITS)));
    return { label: probabilitiesOf(label), predicted: probabilitiesOf(predicted ?? label) };
  };
  const mistakes = document.mistakes.map(mistake => {
    const at = shown.indexOf(mistake);
    return at < 0 ? mistake : { ...mistake, over_time: overTime(mistake, at * PARTS) };
  });
  return { ...document, mistakes };
}

/** The beginnings of sequences as sequences. */
function splitOf(split: Split, beginnings: readonly Beginning[], sequenceLength: number): Split {
  const chosen = subset(
    split,
    Uint32Array.from(beginnings, ({ index }) => index),
    sequenceLength,
  );
  const lengths = Int32Array.from(beginnings, ({ steps }) => steps);
  const { load } = chosen;
  const loaded = async (indices: Uint32Array, from: NonNullable<Split['load']>): Promise<Split> => ({
    ...(await from(indices)),
    lengths: Int32Array.from(indices, i => lengths[i]),
  });
  return { ...chosen, lengths, ...(load && { load: indices => loaded(indices, load) }) };
}
