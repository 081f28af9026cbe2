/** Checks of sequences of symbols: paths that exist, and symbols that training has. */
import { symbolsOfTarget, targetsOfKind } from '../../data/core/targets.js';
import { isImpossible, stepsNeeded } from '../../math/losses/ctc.js';
import { stepsRead } from '../../math/model/spec.js';
import { counted } from '../../util/words.js';
import type { CheckedTask, TaskChecks } from '../core/checks.js';
import { absentLabels, strayLabels, untrainedLabels } from '../core/label-checks.js';

export const sequenceChecks: TaskChecks = {
  // one output more for the blank, or the end of a sequence
  outputs: (_loss, _targets, classes) => classes + 1,
  *problems(checked) {
    if (checked.loss.kind === 'ctc') yield* impossibleTargets(checked);
  },
  damage: strayLabels,
  *warnings(checked) {
    const { decode, data, places } = checked;
    const { size: longest } = targetsOfKind('sequence', data.train.targets);
    if (decode?.limit !== undefined && decode.limit < longest) {
      const message = `\`decode.limit\` is ${decode.limit}, but the longest target has ${counted(longest, 'symbol')}, so predictions of such targets end too early`;
      const expected = `at least ${longest}`;
      yield places.atValue(['decode', 'limit'], 'data/decode-limit', message, { expected });
    }
    yield* untrainedLabels(checked, ['symbol', 'symbols']);
    yield* absentLabels(checked);
  },
};

/** Targets that have no path of the steps of their input, of each split that has some. */
function* impossibleTargets({ places, splits, model: { steps }, data }: CheckedTask) {
  for (const [name, { count, targets: all, lengths, id }] of Object.entries(splits)) {
    const targets = targetsOfKind('sequence', all);
    const stepsOf = (index: number) => stepsRead(steps, lengths?.[index] ?? data.sequenceLength);
    const indices = Array.from({ length: count }, (_, index) => index);
    const found = indices.filter(index => isImpossible(symbolsOfTarget(targets, index), stepsOf(index)));
    if (found.length === 0) continue;
    const [first] = found;
    const symbols = symbolsOfTarget(targets, first);
    const repeats = stepsNeeded(symbols) - symbols.length;
    const needs = `${counted(symbols.length, 'symbol')} and ${counted(repeats, 'repetition')}`;
    const ratios = found.map(index => stepsNeeded(symbolsOfTarget(targets, index)) / stepsOf(index));
    const repeat = Math.ceil((steps?.repeat ?? 1) * ratios.reduce((a, b) => Math.max(a, b)));
    const more =
      steps?.stack === undefined
        ? `\`model.steps: { repeat: ${repeat} }\` to read each step ${repeat} times`
        : 'a smaller `model.steps.stack`';
    const left = found.length - 1;
    const others = left === 0 ? '' : left === 1 ? '; so does 1 other' : `; so do ${left} others`;
    const message = `${name} sequence ${id ? JSON.stringify(id(first)) : first} has too few steps for its target: ${counted(stepsOf(first), 'step')} for ${needs}${others}`;
    const expected = `a step for each symbol and repetition; ${more}; or \`on_impossible: skip\` to leave such sequences out`;
    yield places.atKey(['loss', 'on_impossible'], 'data/impossible', message, { expected });
  }
}
