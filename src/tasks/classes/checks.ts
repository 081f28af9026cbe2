/** Checks of classes and their labels. */
import type { TaskChecks } from '../core/checks.js';
import {
  absentLabels,
  placeOfData,
  strayLabels,
  untrainedLabels,
  weightProblems,
} from '../core/label-checks.js';

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
