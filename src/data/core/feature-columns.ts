/**
 * Feature columns of tables: what the config says of them, and what the cells of each are as
 * numbers of a step, before these are prepared for the model.
 *
 *     numbers    the number, NaN if it is missing
 *     one_hot,   the number of the category, NaN if it is missing, UNKNOWN_CATEGORY for one that
 *     embedding  training did not have
 *     calendar   sine and cosine of each part of the date
 *     elapsed    the time since the step before; 0 in the first step
 */

import type { Diagnostic } from '../../util/errors.js';
import { dateReader, isOfDigits } from '../formats/dates.js';
import { NUMBER } from '../formats/numbers.js';
import { calendarNames, calendarValues } from './calendar.js';
import { badDate, missingCell, missingTest, orderKey } from './cells.js';
import type {
  CellReader,
  ColumnSettings,
  Elapsed,
  FeatureColumn,
  StepColumns,
  ValueReaders,
} from './columns.js';
import type { Feature } from './features.js';
import type { DataRecord } from './record.js';
import type { TextCodes } from './store.js';

/** Number of a category that the training split does not have. */
export const UNKNOWN_CATEGORY = -1;

/** How the cells of a feature are read. */
export function columnOf({ column, missing, embedding, namedAt, ...feature }: Feature): FeatureColumn {
  return {
    ...feature,
    ...{ name: column, keyPath: namedAt },
    isFilled: missing !== undefined,
    // words such as None and - are symbols
    ...(!embedding && withMarkers(missing?.markers ?? [])),
    learnsUnknown: embedding !== undefined && embedding.minCount > 1,
  };
}

function withMarkers(markers: readonly (string | number)[]): Pick<FeatureColumn, 'markers' | 'isMissing'> {
  return { markers, isMissing: missingTest(markers) };
}

/**
 * How a number of a feature becomes features of the model.
 * @param categories of each feature
 */
export function settingsOf(
  features: readonly Feature[],
  { column, isFirst }: StepNumber,
  categories: readonly TextCodes[],
): ColumnSettings {
  const { embedding, missing, isStatic, isTime, keyPath } = features[column];
  if (isTime) return { isTime, keyPath };
  if (hasCategories(features[column]))
    return { categories: categories[column].texts, embedding, isStatic, keyPath };
  const own = missing && {
    ...missing,
    // the parts of a date are missing together
    indicator: isFirst && missing.indicator === true,
    elapsed: isFirst && !isStatic && missing.elapsed === true,
  };
  return { missing: own, isStatic, keyPath };
}

/** A number that a feature column has in each step. */
export interface StepNumber {
  readonly name: string;
  /** Index of its column. */
  readonly column: number;
  readonly isFirst: boolean;
}

export function numbersOf(columns: readonly FeatureColumn[]): StepNumber[] {
  return columns.flatMap((feature, column) =>
    numberNames(feature).map((name, i) => ({ name, column, isFirst: i === 0 })),
  );
}

/** Names of the numbers that a column has in each step. */
function numberNames({ name, encode, calendar = [], suffix }: FeatureColumn): string[] {
  if (encode === 'calendar') return calendarNames(calendar).map(part => `${name} ${part}`);
  if (suffix !== undefined) return [`${name} suffix`];
  return [encode === 'elapsed' ? `${name} elapsed` : name];
}

export interface CellForms {
  /** How dates are written. */
  readonly dateFormat?: string | undefined;
  /** The number of a category of column `column`; NaN for the empty text, a missing value. */
  category?(column: number, text: string): number;
}

/**
 * Returns the function from a cell to its date in ISO 8601, in which predictions and programs may
 * have it already; undefined if it is in another format.
 */
export function dateTexts(format: string | undefined): (text: string) => string | undefined {
  if (format === undefined) return text => text;
  const [read, keyOf] = [dateReader(format), orderKey(false)];
  return text => read(text) ?? (Number.isNaN(keyOf(text)) ? undefined : text);
}

/** True for a cell of `column` without a value. */
export function isHole({ isMissing = text => text === '' }: FeatureColumn, text: string): boolean {
  return isMissing(text);
}

/** Returns the readers of those `columns` that are not plain numbers. */
export function cellReaders(
  columns: readonly FeatureColumn[],
  { dateFormat, category = () => UNKNOWN_CATEGORY }: CellForms,
): (CellReader | undefined)[] {
  const isoDate = dateTexts(dateFormat);
  const dateKey = orderKey(false);
  const timeOf = (text: string) => dateKey(isoDate(text) ?? '');
  return columns.map((column, i) => {
    const { encode, calendar = [], suffix } = column;
    const dates = (width: number, numbers: (text: string) => readonly number[]): CellReader => ({
      read(text, add) {
        const isMissing = isHole(column, text);
        const values = isMissing ? [] : numbers(text);
        for (let k = 0; k < width; k++) add(values[k] ?? Number.NaN);
        if (isMissing) return column.isFilled ? undefined : place => missingCell(text, place);
        return Number.isNaN(values[0]) ? place => badDate(text, place, dateFormat) : undefined;
      },
    });
    if (encode === 'calendar')
      return dates(2 * calendar.length, text => calendarValues(timeOf(text), calendar));
    if (encode === 'elapsed') {
      // a number is a time of its own unit, a date is one in seconds
      const secondsOf = (text: string) => timeOf(text) / 1000;
      return dates(1, text => [isNumberCell(text, dateFormat) ? Number(text) : secondsOf(text)]);
    }
    if (encode === undefined) return undefined;
    const own =
      suffix === undefined ? categoryOf : (text: string) => Array.from(text).slice(-suffix).join('');
    return {
      read: (text, add) => void add(category(i, isHole(column, text) ? '' : own(text))),
    };
  });
}

export function stepReaders({ columns, dateFormat }: StepColumns, data: Pick<DataRecord, 'preparation'>) {
  const own = columns.map(column => ({ ...column, ...(column.markers && withMarkers(column.markers)) }));
  const readers = cellReaders(own, { dateFormat, category: knownCategories(own, data) });
  return {
    columns: own.map(({ name, parts, isStatic, isMissing }, i) => ({
      ...{ name, parts, isStatic, isMissing, reader: readers[i] },
    })),
    elapsed: () => new ElapsedTimes(elapsedNumbers(own)),
  } satisfies ValueReaders;
}

/** Numbers the categories of training data, by column. */
export function codedBy(categories: readonly TextCodes[]): CellForms['category'] {
  return (column, text) => (text === '' ? Number.NaN : categories[column].code(text));
}

/**
 * Numbers the categories that the training split has.
 * @param columns the last ones of a step
 */
export function knownCategories(
  columns: readonly FeatureColumn[],
  { preparation }: Pick<DataRecord, 'preparation'>,
): CellForms['category'] {
  const codes = columns.map(() => new Map<string, number>());
  const numbers = numbersOf(columns);
  const prepared = preparation?.columns.slice(-numbers.length) ?? [];
  for (const [number, { categories = [] }] of prepared.entries())
    for (const [code, text] of categories.entries())
      codes[numbers[number].column].set(text, text === '' ? Number.NaN : code);
  return (column, text) => codes[column].get(text) ?? UNKNOWN_CATEGORY;
}

/** Maximum number of unknown categories to warn of. */
const MAX_UNKNOWNS = 20;

export function hasCategories({ encode }: Pick<FeatureColumn, 'encode'>): boolean {
  return encode === 'one_hot' || encode === 'embedding';
}

/** Warns once of each category that the training split does not have. */
export class UnknownCategories {
  private readonly known = new Set<string>();

  warning(
    { name: column, encode, learnsUnknown }: FeatureColumn,
    text: string,
    place: () => Partial<Diagnostic>,
  ): Diagnostic | undefined {
    const name = JSON.stringify([column, text]);
    if (learnsUnknown || this.known.has(name) || this.known.size === MAX_UNKNOWNS) return undefined;
    this.known.add(name);
    const instead = encode === 'embedding' ? 'its vector is 0' : 'all features of the column are 0';
    const message = `the training split does not have this value: ${instead}`;
    return { code: 'data/category', message, ...place(), got: JSON.stringify(text.slice(0, 60)) };
  }
}

/** True for a number in a column of numbers or dates. */
export function isNumberCell(text: string, dateFormat: string | undefined): boolean {
  return NUMBER.test(text) && (dateFormat === undefined || !isOfDigits(dateFormat));
}

/** The category of a cell: numbers are compared by value, truth values without regard to case. */
function categoryOf(text: string): string {
  const value = Number(text);
  // float64 does not have all longer integers
  const isExact = Number.isSafeInteger(value) || /[.e]/i.test(text);
  if (NUMBER.test(text) && isExact) return String(value);
  return /^(?:true|false)$/i.test(text) ? text.toLowerCase() : text;
}

export class ElapsedTimes implements Elapsed {
  private readonly last: Float64Array;

  /** @param numbers the numbers of a step that are times */
  constructor(private readonly numbers: readonly number[]) {
    this.last = new Float64Array(numbers.length);
    this.restart();
  }

  restart(): void {
    this.last.fill(Number.NaN);
  }

  step(values: Float64Array, at: number): void {
    for (const [i, number] of this.numbers.entries()) {
      const time = values[at + number];
      if (Number.isNaN(time)) continue;
      values[at + number] = Number.isNaN(this.last[i]) ? 0 : time - this.last[i];
      this.last[i] = time;
    }
  }
}

export function elapsedNumbers(columns: readonly FeatureColumn[]): number[] {
  return numbersWith(columns, ({ encode }) => encode === 'elapsed');
}

/** The numbers of a step that are equal in all steps of a sequence. */
export function staticNumbers(columns: readonly FeatureColumn[]): number[] {
  return numbersWith(columns, ({ isStatic }) => isStatic === true);
}

function numbersWith(columns: readonly FeatureColumn[], test: (column: FeatureColumn) => boolean): number[] {
  return numbersOf(columns).flatMap(({ column }, number) => (test(columns[column]) ? [number] : []));
}
