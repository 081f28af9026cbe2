/** Warns of columns whose scale makes learning hard, or loses their digits. */
import type { Column } from '../../data/dataset.js';
import { isConstant } from '../../data/scaling.js';
import type { Diagnostic } from '../../util/errors.js';
import type { Locator } from '../yaml/locator.js';

/** The columns of the training split, before any scaling. */
export interface ColumnFacts {
  readonly features: readonly Column[];
  readonly targets: readonly Column[];
}

/** Larger absolute means or deviations are far from normalized data (mean 0, deviation 1). */
const MAX_USUAL = 5;
/** A column with only smaller values hardly affects a network, unlike a rare flag of 0 and 1. */
const MIN_USUAL = 0.05;
/** Largest distance between float32 numbers that does no harm, as a part of the deviation. */
const MAX_STEP = 0.1;
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
  const coarse = [...features, ...targets].filter(isCoarse);
  if (coarse.length > 0) {
    const message = `float32 keeps too few digits of columns whose values differ by little: ${named(coarse, ({ min, max }) => `${min} to ${max}, rounded to multiples of ${spacing(max)}`)}`;
    return [
      locator.atKey(PATH, 'data/coarse-column', message, {
        expected: 'values near 0: subtract an offset from the column in the file',
      }),
    ];
  }
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

/** True if values of a column that differ in the file may have become equal in float32. */
function isCoarse(column: Column): boolean {
  const { min, max, deviation } = column;
  const step = spacing(Math.max(Math.abs(min), Math.abs(max)));
  // a step of at most 1 keeps integers
  const keepsAll = step <= 1 && Number.isInteger(min) && Number.isInteger(max);
  return isConstant(column) ? step > 1 : !keepsAll && step > deviation * MAX_STEP;
}

/** Distance between float32 numbers near `value`: they have 24 significant bits. */
function spacing(value: number): number {
  return 2 ** (Math.floor(Math.log2(Math.abs(value))) - 23);
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
