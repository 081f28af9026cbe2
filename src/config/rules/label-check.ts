/** Whether the labels of a dataset are the classes that the model is to have: a stray label would silently enlarge it. */
import type { LabelFacts, PlacedLabel } from '../../data/labels.js';
import type { Diagnostic } from '../../util/errors.js';

/** `damage` is wrong in the data (exit 5); `warnings` do not stop a run. */
export interface LabelVerdict {
  readonly damage: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
}

/**
 * Judges the labels where the config leaves the number of classes to them.
 * @param needed classes that the labels of both splits need
 */
export function checkLabels(labels: LabelFacts, needed: number): LabelVerdict {
  const { trainClasses, gap, foreign } = labels;
  const damage: Diagnostic[] = [];
  const warnings: Diagnostic[] = [];
  if (gap !== undefined && 2 * gap.count > trainClasses) {
    const message = `and ${gap.count} of the ${trainClasses} classes up to it never occur in the training labels`;
    damage.push(stray(gap.largest, message, 'labels that count from 0', trainClasses));
  } else if (gap !== undefined) {
    warnings.push({ code: 'data/absent-classes', message: absentClasses(gap, trainClasses) });
  }
  if (foreign !== undefined) {
    const expected = `one of the ${trainClasses} classes of the training labels`;
    damage.push(stray(foreign, 'which is no class of the training labels', expected, needed));
  }
  return { damage, warnings: [...warnings, ...checkVariety(labels)] };
}

/** A model that is only ever told one answer learns to give it. */
export function checkVariety({ trainClasses, gap }: LabelFacts): Diagnostic[] {
  if (trainClasses - (gap?.count ?? 0) !== 1) return [];
  const message = 'all training labels are of one and the same class, so there is nothing to tell apart';
  return [{ code: 'data/one-class', message }];
}

function stray(label: PlacedLabel, why: string, expected: string, numClasses: number): Diagnostic {
  const { name, value, place, note = '' } = label;
  return {
    code: 'data/stray-label',
    message: `${name} is ${value}, ${why}${note}`,
    ...place,
    expected: `${expected}, or \`model.num_classes: ${numClasses}\` if it is meant`,
  };
}

function absentClasses({ count, first }: NonNullable<LabelFacts['gap']>, numClasses: number): string {
  if (count === 1 && first[0] === 0) {
    return `no training label is 0. Labels start at 0; do yours start at 1? If intended, set \`model.num_classes: ${numClasses}\``;
  }
  const which = `${first.join(', ')}${count > first.length ? ', …' : ''}`;
  const meant = `\`model.num_classes: ${numClasses}\` says that this is meant`;
  return `${count} of ${numClasses} classes never occur in the training labels (${which}); ${meant}`;
}
