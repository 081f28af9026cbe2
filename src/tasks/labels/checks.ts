/** Checks of labels: targets from 0 to 1. */
import { targetsOfKind } from '../../data/core/targets.js';
import type { CheckedTask, TaskChecks } from '../core/checks.js';
import { weightProblems } from '../core/label-checks.js';
import { valueOutputs } from '../values/checks.js';

export const labelChecks: TaskChecks = {
  outputs: valueOutputs,
  *problems(checked) {
    const { loss, outputSize, places } = checked;
    if (loss.kind === 'binary_cross_entropy')
      yield* weightProblems(places, 'positive_weights', loss.positive_weights, [outputSize, 'labels']);
    yield* rangeProblems(checked);
  },
  damage: () => [],
  warnings: () => [],
};

/** The first target that is no label. */
function* rangeProblems({ loss, splits, places }: CheckedTask) {
  for (const [name, { targets, count, id }] of Object.entries(splits)) {
    const { values, scaling } = targetsOfKind('value', targets);
    // steps with NaN are ignored
    const at = values.findIndex(value => value < 0 || value > 1);
    if (at < 0 && scaling === undefined) continue;
    const sequence = Math.floor((at * count) / values.length);
    const what = scaling
      ? '`dataset.normalize` scales them'
      : `a target of ${name} sequence ${id ? JSON.stringify(id(sequence)) : sequence} is ${values[at]}`;
    const message = `loss ${loss.kind} needs targets from 0 to 1, but ${what}`;
    const expected = 'targets from 0 to 1 without `normalize`, or another loss';
    yield places.atValue(['loss', 'kind'], 'config/label-targets', message, { expected });
    return;
  }
}
