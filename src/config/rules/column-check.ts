/** Whether the numbers of a dataset are of a size that a network learns from. */
import type { Column } from '../../data/dataset.js';
import { isConstant } from '../../data/scaling.js';
import type { Diagnostic } from '../../util/errors.js';
import type { Locator } from '../yaml/locator.js';

/** The columns of the training split, before any scaling. */
export interface ColumnFacts {
  readonly features: readonly Column[];
  readonly targets: readonly Column[];
}

/** A larger mean or standard deviation is far from that of normalized data, which are 0 and 1. */
const MAX_USUAL = 5;
/**
 * A column with smaller values hardly moves a network; a rare flag of 0 and 1 has a small deviation
 * but is none.
 */
const MIN_USUAL = 0.05;
/** Columns that a warning names. */
const MAX_NAMED = 5;

const PATH = ['dataset', 'normalize'];

/**
 * @param isScaled whether the config scales the columns; if not, it does not set `normalize`
 */
export function checkColumns(
  { features, targets }: ColumnFacts,
  isScaled: boolean,
  locator: Locator,
): Diagnostic[] {
  const found = isScaled ? [...features, ...targets].filter(isConstant) : [];
  if (found.length > 0) {
    const message = `columns with the same value in all training sequences cannot be scaled: ${named(found, ({ min }) => `${round(min)}`)}`;
    return [locator.atValue(PATH, 'data/constant-column', message)];
  }
  const far = isScaled ? [] : [...features, ...targets].filter(isFar);
  if (far.length === 0) return [];
  const message = `columns far from mean 0 and variance 1, which slows or prevents learning: ${named(far, ({ mean, deviation }) => `mean ${round(mean)}, standard deviation ${round(deviation)}`)}`;
  const expected = '`normalize: standard` or `min_max` in `dataset`; `none` if they are meant to stay';
  return [locator.atKey(PATH, 'data/not-normalized', message, { expected })];
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
