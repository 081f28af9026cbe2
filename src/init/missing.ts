/** Missing values of a reading: what means one, and which are filled. */
import { isMissing, MARKERS } from '../data/core/cells.js';
import { type Column, withoutValue } from './columns.js';
import { areTagged, knownOf, type Reading } from './readings.js';

/** The columns whose missing values are filled, with their numbers. */
export function holesOf(reading: Reading): number[] {
  const { kind, inputKind, features, statics, target, layout, future = [] } = reading;
  const { rows } = layout;
  const read = inputKind === 'number' ? features.filter(({ isNumber }) => isNumber) : [];
  const known = kind === 'series' ? knownOf(reading) : [];
  const counts =
    kind === 'series'
      ? [target, ...read].map(
          column =>
            withoutValue(column, rows.flat()).length +
            (known.includes(column) ? withoutValue(column, future.flat()).length : 0),
        )
      : read.map(({ missing }) => missing);
  const numbers = statics.filter(({ isNumber }) => isNumber);
  const ofSequences = numbers.map(
    column => rows.filter(list => withoutValue(column, list).length === list.length).length,
  );
  return [...counts, ...ofSequences].filter(count => count > 0);
}

/** What means a missing value besides the usual markers. */
export function markersOf({ features, statics, target }: Reading): string[] {
  const all = [...features, ...statics, target].flatMap(({ markers }) => markers);
  const isAgain = (marker: string, i: number) =>
    all.findIndex(other => other === marker || Number(other) === Number(marker)) < i;
  return all.filter((marker, i) => !isAgain(marker, i) && !isClassOf(target, marker));
}

/** Words such as None and - among classes, which mean a missing class if the config lists them. */
export function missingClassesOf({ isClass, target }: Reading): string[] {
  const { cells, isValue } = target;
  return MARKERS.filter(
    marker => isClass && !isMissing(marker) && !isValue(marker) && cells.includes(marker),
  );
}

/** True if the config may list what means a missing value: `symbol` and `text` have no list. */
export function listsMissing(reading: Reading): boolean {
  return reading.inputKind === 'number' || areTagged(reading);
}

/** Number of classes of a target. */
export function classesOf(reading: Reading): number {
  return reading.target.distinct + (listsMissing(reading) ? 0 : missingClassesOf(reading).length);
}

/** True for a word that means a missing value in other columns than the target. */
export function isClassOf({ cells, isValue }: Column, marker: string): boolean {
  return isValue(marker) && cells.includes(marker);
}
