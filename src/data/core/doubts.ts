/**
 * Warnings of what a prediction reads: values that are filled, or unlike those of training. The
 * network computes a prediction of any numbers, so nothing else tells.
 */
import type { Diagnostic } from '../../util/errors.js';
import { formatNumber, percent } from '../../util/numbers.js';
import { counted } from '../../util/words.js';
import type { DataScaling, Preparation } from './record.js';
import { MARKERS } from './statistics.js';

/** A column of the data that a prediction reads. */
export interface ReadColumn {
  readonly name: string;
  readonly fill?: Preparation['columns'][number]['fill'];
  /** True if each sequence has one value. */
  readonly isStatic?: boolean | undefined;
  /** True if the user provides its values in advance, so that any missing value is reported. */
  readonly isKnown?: boolean;
  readonly scaling?: ColumnScaling | undefined;
}

interface ColumnScaling {
  readonly method: DataScaling['method'];
  readonly offset: number;
  readonly scale: number;
}

type Doubt = readonly Diagnostic[];

/** Minimum fraction of filled values to warn of, and minimum ratio to the fraction in training. */
const MUCH = { fraction: 0.25, times: 2 };

/** Maximum probability, in training, of as many missing values in a column to warn of them. */
const UNLIKELY = 0.01;

/**
 * Warn of scaled values outside of these limits: ten widths of the range, or 100
 * standard deviations, which by Chebyshev's inequality at most one of 10 000 training values
 * exceeds: no drift reaches that, but another unit or a marker of missing values does.
 */
const FAR = { min_max: [-10, 11], standard: [-100, 100] } as const;

/** For usual markers of missing values: a width of the range, or five standard deviations. */
const FAR_MARKER = { min_max: [-1, 2], standard: [-5, 5] } as const;

/** Code of the warning that much of what a prediction reads is filled. */
const MUCH_FILLED = 'data/filled';

/** Codes of warnings of a column, which are equal in all sequences. */
const OF_COLUMN = ['data/column-filled', 'data/far'];

/**
 * Returns the warnings of a sequence. What is often missing in training is no reason to doubt: the
 * model has learned to read it.
 * @param values `[steps, columns]`, NaN if one is missing
 */
export function doubtsOf(
  values: ArrayLike<number>,
  columns: readonly ReadColumn[],
  place: Partial<Diagnostic> = {},
): Doubt {
  const steps = values.length / columns.length;
  if (steps === 0) return [];
  const found: Diagnostic[] = [];
  let [missing, count, usual] = [0, 0, 0];
  for (const [c, { name, fill, isStatic, isKnown, scaling }] of columns.entries()) {
    let holes = 0;
    let far: number | undefined;
    for (let at = c; at < values.length; at += columns.length) {
      if (Number.isNaN(values[at])) holes++;
      else if (far === undefined && scaling && isFar(values[at], scaling)) far = values[at];
    }
    if (far !== undefined && scaling) {
      const message = `values of ${name} are far from those of training`;
      const got = formatNumber(far);
      found.push({ code: 'data/far', message, ...place, expected: rangeOf(scaling), got });
    }
    if (fill === undefined) continue;
    const { missing: fraction = 0 } = fill;
    const isWhole = holes === steps;
    const isUnlikely = fraction < MUCH.fraction && fraction ** (isStatic ? 1 : holes) < UNLIKELY;
    if (isUnlikely && (isWhole || (isKnown && holes > 0))) {
      const message = `${isWhole ? 'all values' : 'values'} of ${name} are missing and filled`;
      found.push({ code: 'data/column-filled', message, ...place, expected: inTraining(fraction) });
    } else if (!isStatic) {
      count += steps;
      usual += fraction * steps;
      missing += holes;
    }
  }
  if (missing === 0 || missing < MUCH.fraction * count || missing < MUCH.times * usual) return found;
  const message = `${missing} of the ${count} values that the prediction reads are missing and filled`;
  return [...found, { code: MUCH_FILLED, message, ...place, expected: inTraining(usual / count) }];
}

function isFar(value: number, { method, offset, scale }: ColumnScaling): boolean {
  const [low, high] = (MARKERS.has(value) ? FAR_MARKER : FAR)[method];
  const scaled = (value - offset) / scale;
  return scaled < low || scaled > high;
}

function rangeOf({ method, offset, scale }: ColumnScaling): string {
  return method === 'min_max'
    ? `from ${formatNumber(offset)} to ${formatNumber(offset + scale)}, as in the training split`
    : `about ${formatNumber(offset)} ± ${formatNumber(scale)}, as in the training split`;
}

function inTraining(fraction: number): string {
  return `${fraction === 0 ? 'none' : `about ${percent(fraction)}`}, as in the training split`;
}

/** Joins the warnings of sequences: one for each column, with a count. */
export class JoinedDoubts {
  private readonly joined = new Map<string, { readonly first: Diagnostic; count: number }>();

  /** @param joinsFilled true to join those of much that is filled as well */
  constructor(private readonly joinsFilled = false) {}

  /** Returns false if a warning is not joined with others. */
  take(warning: Diagnostic): boolean {
    const { code, message } = warning;
    const isFilled = this.joinsFilled && code === MUCH_FILLED;
    if (!isFilled && !OF_COLUMN.includes(code)) return false;
    const key = isFilled ? code : message;
    const known = this.joined.get(key);
    if (known) known.count++;
    else this.joined.set(key, { first: warning, count: 1 });
    return true;
  }

  get all(): Diagnostic[] {
    return [...this.joined.values()].map(({ first, count }) => {
      const more = count === 1 ? '' : `; likewise in ${counted(count - 1, 'other sequence')}`;
      return { ...first, message: first.message + more };
    });
  }
}
