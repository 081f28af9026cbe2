/** Collects the evaluation of classes: confusions, scores and the worst mistakes. */
import type { Dataset, SplitName } from '../../data/core/dataset.js';
import { accumulator } from '../../math/metrics/index.js';
import { decidedClass } from '../../math/metrics/metric.js';
import { Counts } from '../../math/metrics/scores.js';
import { predictsEachStep } from '../../math/model/heads.js';
import { contextOf, MAX_SCORED, pictureOf, placeOf, type TaskCollector } from '../core/collector.js';
import type { TaskModel } from '../core/prediction.js';
import { probabilityOf } from '../core/readout.js';
import { Worst } from '../core/worst.js';
import { withBeginnings } from './beginnings.js';
import { type ClassEvaluation, confusionOfLargest, type Mistake } from './facts.js';

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
