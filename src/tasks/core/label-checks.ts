/** Checks of the labels of classes, and of the symbols of targets. */
import type { Split } from '../../data/core/dataset.js';
import { eachChunk } from '../../data/core/store.js';
import { classesOf, IGNORED, type LabelFacts } from '../../data/core/targets.js';
import type { Diagnostic } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { CheckedTask, Places } from './task.js';

/** Where the data are, as far as the config says. */
export function placeOfData(places: Places): readonly string[] {
  const path = ['dataset', 'path'];
  return places.isGiven(path) ? path : ['dataset'];
}

/** Labels that would silently enlarge the model, unless the config sets the number of classes. */
export function strayLabels({ data, model, splits }: CheckedTask): Iterable<Diagnostic> {
  const needed = Object.values(splits).map(({ targets }) => classesOf(targets));
  return data.labels && model.num_classes === undefined ? strayIn(data.labels, Math.max(...needed)) : [];
}

/** @param needed number of classes that the labels of all splits need */
function strayIn({ trainClasses, gap, foreign }: LabelFacts, needed: number): Diagnostic[] {
  const sparse = gap && 2 * gap.count > trainClasses ? gap : undefined;
  const unlabelled = `but ${sparse?.count} of the classes 0 to ${trainClasses - 1} have no training label`;
  const oneOf = `one of the ${trainClasses} classes of the training labels`;
  const stray = [
    [sparse?.largest, unlabelled, 'labels that start at 0', trainClasses],
    [foreign, 'which is not a class of the training labels', oneOf, needed],
  ] as const;
  return stray.flatMap(([label, why, expected, numClasses]) => {
    if (label === undefined) return [];
    const message = `${label.name} is ${label.value}, ${why}`;
    const intended = `${expected}, or \`model.num_classes: ${numClasses}\` if intended`;
    return [{ code: 'data/stray-label', message, ...label.place, expected: intended }];
  });
}

const MAX_NAMED = 5;

/** Classes, or symbols of targets, that only held-out splits have. */
export function* untrainedLabels(
  { data, places }: CheckedTask,
  [singular, plural]: readonly [singular: string, plural: string],
): Iterable<Diagnostic> {
  const trained = occurring(data.train);
  for (const name of ['validation', 'test'] as const) {
    const missing = [...occurring(data[name])].filter(label => !trained.has(label)).sort((a, b) => a - b);
    if (missing.length === 0) continue;
    const names = missing.slice(0, MAX_NAMED).map(label => {
      const text = data.classLabels?.[label];
      return text === undefined ? String(label) : JSON.stringify(text);
    });
    const rest = missing.length > names.length ? ', …' : '';
    const [classes, occur] = missing.length === 1 ? [singular, 'occurs'] : [plural, 'occur'];
    const message = `${missing.length} ${classes} of the ${name} split never ${occur} in the training split: ${names.join(', ')}${rest}`;
    yield places.atValue(placeOfData(places), 'data/untrained-classes', message);
  }
}

/** Classes below the largest that no training label has. */
export function* absentLabels({ data, model, places }: CheckedTask): Iterable<Diagnostic> {
  const { trainClasses = 0, gap } = data.labels ?? {};
  if (model.num_classes !== undefined || !gap) return;
  const { count, first } = gap;
  const which = `${first.join(', ')}${count > first.length ? ', …' : ''}`;
  const what = `${count} of ${trainClasses} classes have no training label: ${which}`;
  const start = count === 1 && first[0] === 0 ? '. Labels start at 0; do yours start at 1?' : '.';
  const message = `${what}${start} If intended, set \`model.num_classes: ${trainClasses}\``;
  yield places.atValue(placeOfData(places), 'data/absent-classes', message);
}

function occurring(split: Split | undefined): Set<number> {
  const seen = new Set<number>();
  if (split === undefined || split.targets.kind === 'value') return seen;
  const { values, numClasses: classes } = split.targets;
  eachChunk(values, Math.max(1, classes), labels => {
    for (const label of labels) if (label !== IGNORED) seen.add(label);
    // later chunks cannot have others
    return seen.size < classes;
  });
  return seen;
}

/** The number of weights of a loss. */
export function* weightProblems(
  places: Places,
  key: string,
  given: unknown,
  [size, what]: readonly [size: number, what: string],
): Iterable<Diagnostic> {
  if (!Array.isArray(given) || given.length === size) return;
  const message = `${counted(given.length, 'weight')} for ${size} ${what}`;
  const expected = counted(size, 'positive number');
  yield places.atValue(['loss', key], 'config/loss-weights', message, { expected });
}
