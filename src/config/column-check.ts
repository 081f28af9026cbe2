/** Warns of columns whose scale makes learning hard, or costs them digits. */
import type { Column } from '../data/core/dataset.js';
import { isConstant } from '../data/core/scaling.js';
import type { Diagnostic } from '../util/errors.js';
import type { Locator } from './yaml/locator.js';

/** The columns of the training split, before any scaling. */
export interface ColumnFacts {
  readonly features: readonly Column[];
  readonly targets: readonly Column[];
}

/** Larger absolute means or deviations are far from normalized data (mean 0, deviation 1). */
const MAX_USUAL = 5;
/** A column with only smaller values hardly affects a network, unlike a rare flag of 0 and 1. */
const MIN_USUAL = 0.05;
/** Columns of a few steps of float32 have lost most of what distinguishes their values. */
const MIN_STEPS = 10;
/** Maximum number of columns named in a warning. */
const MAX_NAMED = 5;

const PATH = ['dataset', 'normalize'];

/**
 * @param isScaled true if the config scales the columns; false if it does not set `normalize`
 */
export function checkColumns(
  { features, targets }: ColumnFacts,
  isScaled: boolean,
  locator: Locator,
): Diagnostic[] {
  const found = isScaled ? [...features, ...targets].filter(isConstant) : [];
  if (found.length > 0) {
    const message = `cannot scale columns that are constant in the training split: ${named(found, ({ min }) => `${round(min)}`)}`;
    return [locator.atValue(PATH, 'data/constant-column', message)];
  }
  const far = isScaled ? [] : [...features, ...targets].filter(isFar);
  if (far.length === 0) return [];
  const message = `columns far from mean 0 and variance 1 slow down or prevent learning: ${named(far, ({ mean, deviation }) => `mean ${round(mean)}, standard deviation ${round(deviation)}`)}`;
  const expected = '`normalize: standard` or `min_max` in `dataset`, or `none` if intended';
  return [locator.atKey(PATH, 'data/not-normalized', message, { expected })];
}

/** Warns of columns whose values differ by so little that float32 makes them equal. */
export function checkPrecision({ features, targets }: ColumnFacts, locator: Locator): Diagnostic[] {
  const coarse = [...features, ...targets].filter(isCoarse);
  if (coarse.length === 0) return [];
  const words = (column: Column): string => `steps of ${round(stepOfFloat32(column))} near ${column.max}`;
  const message = `float32 cannot tell nearby values of these columns apart: ${named(coarse, words)}`;
  const expected = 'smaller numbers, such as differences from the first value';
  return [locator.atValue(placeOfFeatures(locator), 'data/coarse-column', message, { expected })];
}

function isCoarse(column: Column): boolean {
  const { min, max, deviation } = column;
  const step = stepOfFloat32(column);
  // a step of at most 1 keeps integers
  const keepsAll = step <= 1 && Number.isInteger(min) && Number.isInteger(max);
  return isConstant(column) ? step > 1 : !keepsAll && deviation < MIN_STEPS * step;
}

/** Distance between neighbouring float32 numbers at the largest value of a column. */
function stepOfFloat32({ min, max }: Column): number {
  return 2 ** (Math.floor(Math.log2(Math.max(Math.abs(min), Math.abs(max)))) - 23);
}

function placeOfFeatures(locator: Locator): readonly string[] {
  const path = ['dataset', 'features'];
  return locator.isGiven(path) ? path : ['dataset'];
}

function isFar(column: Column): boolean {
  const { mean, deviation, min, max } = column;
  if (Math.abs(mean) > MAX_USUAL || deviation > MAX_USUAL) return true;
  return !isConstant(column) && Math.max(Math.abs(min), Math.abs(max)) < MIN_USUAL;
}

/** `temperature (mean 21.3, standard deviation 4.2), humidity (…) and 3 more` */
function named(columns: readonly Column[], words: (column: Column) => string): string {
  const first = columns.slice(0, MAX_NAMED).map(column => `${column.name} (${words(column)})`);
  const rest = columns.length - first.length;
  return `${first.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

function round(value: number): string {
  return String(Number(value.toPrecision(3)));
}
