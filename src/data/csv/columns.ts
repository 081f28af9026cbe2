/** Columns of tables: which are read, for all purposes, and where the header has them. */

import { type Diagnostic, damagedErrors } from '../../util/errors.js';
import { badDate, ISO_DATES, isMissing, looksLikeDate } from '../core/cells.js';
import { type FeatureColumn, joinedText, type NamedColumn } from '../core/columns.js';
import type { Purpose } from '../core/dataset.js';
import type { CellForms } from '../core/feature-columns.js';
import type { Resampling } from '../core/intervals.js';
import type { TargetCodes } from '../core/labels.js';
import { type ConfigDiagnostic, configError } from '../core/problems.js';
import type { TextLevel } from '../core/record.js';
import type { Targets } from '../core/targets.js';
import { NUMBER } from '../formats/numbers.js';
import {
  type CellPlace,
  type Delimiter,
  type RowPlace,
  rowName,
  type TableFormat,
  type TableRecord,
} from '../formats/table-records.js';
import { blankHeader, otherDelimiter } from '../formats/tables.js';

/** Index of a column that is not read. */
export const ABSENT = -1;

/** Maximum number of column names that a message lists. */
const MAX_NAMED = 30;

/** Maximum number of missing or duplicate columns to report; the wrong file may lack thousands. */
const MAX_MISSING = 20;

/** What a numeric feature needs if some of its values are missing. */
export const FILLED = 'a value in every row, or `dataset.missing: { fill: forward, indicator: true }`';

export interface TableColumns extends TableFormat {
  readonly purpose: Purpose;
  readonly features: readonly FeatureColumn[];
  /** Numbers a category of a feature column. */
  readonly category?: CellForms['category'];
  /** Numbers a symbol; absent if features are numbers. */
  readonly symbol?: ((text: string) => number) | undefined;
  /** Set if the only feature is a column of texts, to be split into symbols. */
  readonly level?: TextLevel | undefined;
  /** None for prediction; more than one only for `value`. */
  readonly targets: readonly NamedColumn[];
  readonly targetKind: Targets['kind'];
  /** How the text of a target becomes symbols; set if targets are sequences. */
  readonly targetLevel?: TextLevel | undefined;
  /** True for the cells that mean a missing target. Default: empty cells and NaN. */
  readonly isTargetMissing?: (text: string) => boolean;
  /** How targets are read for a trained model. */
  readonly evaluation?: TargetReader | undefined;
  /** True to keep features in float64, for scaling before they are rounded to float32. */
  readonly keepsFloat64?: boolean;
  /** Which rows form a sequence: those with equal values in some columns. Absent: each is one. */
  readonly group?: readonly NamedColumn[] | 'file' | 'table' | undefined;
  /** What a sequence is in messages. */
  readonly groupWord?: string;
  readonly order?: NamedColumn | undefined;
  /** Present if steps are at regular times; needs `order`. */
  readonly resample?: TableResampling | undefined;
  /** Columns that divide sequences into splits; none for prediction. */
  readonly splits?: readonly NamedColumn[];
  /** Of all dates; absent: ISO 8601. */
  readonly dateFormat?: string | undefined;
  /** Names rows that are sequences. */
  readonly id?: NamedColumn | undefined;
  /**
   * True if only some rows of a group are read: a feature may be missing, and in predictions no
   * number (`Rows.texts`), and a row without a group concerns no other.
   */
  readonly isPartlyRead?: boolean;
}

export interface TableResampling extends Resampling {
  /** True if targets are values of their step. */
  readonly areValues: boolean;
  /** The config key of its interval. */
  readonly keyPath: ConfigDiagnostic['keyPath'];
}

export interface TargetReader {
  /** Names of the classes; empty if targets are values. */
  readonly classNames: readonly string[];
  readonly codes: TargetCodes;
  /** True if each row has a target; otherwise those of a sequence are the same. */
  readonly perStep: boolean;
}

/**
 * Returns the function from a column to its index in a table; {@link ABSENT} without a column.
 * @param header the column names of the table
 */
export function findColumns(
  header: TableRecord,
  delimiter: Delimiter = ',',
  columns: readonly NamedColumn[],
  purpose: Purpose,
): (column: NamedColumn | undefined) => number {
  const names = header.fields.map(name => name.trim());
  if (names.every(name => name === '')) throw damagedErrors([blankHeader(header.row.file)]);
  const places = new Map<string, number[]>();
  for (const [index, name] of names.entries()) places.set(name, [...(places.get(name) ?? []), index]);
  const doubled = columns.flatMap(({ name }): Diagnostic[] => {
    const again = places.get(name)?.[1];
    const message = `two columns are named ${JSON.stringify(name)}`;
    return again === undefined
      ? []
      : [{ code: 'data/csv-duplicate-column', message, ...header.place(again) }];
  });
  const missing = missingColumns(header, names, columns, { delimiter, purpose });
  if (missing.length > 0 && purpose === 'train') throw configError(...missing);
  const problems = [...missing.map(({ keyPath: _, ...problem }) => problem), ...doubled].slice(
    0,
    MAX_MISSING,
  );
  if (problems.length > 0) throw damagedErrors(problems);
  return column => (column === undefined ? ABSENT : (places.get(column.name)?.[0] ?? ABSENT));
}

function missingColumns(
  header: TableRecord,
  names: readonly string[],
  columns: readonly NamedColumn[],
  { delimiter, purpose }: { readonly delimiter: Delimiter; readonly purpose: Purpose },
): ConfigDiagnostic[] {
  const missing = columns.filter(({ name, isOptional }) => !isOptional && !names.includes(name));
  const [right, wrong] = [otherDelimiter(names, delimiter), delimiter].map(one => JSON.stringify(one));
  const isSplit = right === undefined;
  const split = isSplit ? '' : `; its fields are separated by ${right}, not by ${wrong}`;
  const listed = `${names.slice(0, MAX_NAMED).join(', ')}${names.length > MAX_NAMED ? ', …' : ''}`;
  // a table with none of them is another one
  const told = isSplit && missing.length < columns.length ? MAX_MISSING : 1;
  const isTraining = purpose === 'train';
  const found = isTraining ? `one of ${listed}` : 'the column names of the training data';
  const rightly = isTraining
    ? `\`dataset.delimiter: ${right}\``
    : `fields as in the training data, or \`--set 'dataset.delimiter=${right?.slice(1, -1)}'\``;
  return missing.slice(0, told).map(({ name, keyPath = [], role = 'which the model reads' }) => {
    const none = `no column ${JSON.stringify(name)}`;
    return {
      code: 'data/csv-missing-column',
      keyPath,
      message: `${isTraining ? `${header.row.file} has ${none}` : `there is ${none}, ${role}`}${split}`,
      expected: isSplit ? found : rightly,
      ...(isTraining && isSplit && { alternatives: names }),
      ...(!isTraining && { ...header.place(0), got: names.join(', ').slice(0, 200) }),
    };
  });
}

/** Where a file has the columns that are read. */
export interface ColumnIndices {
  /** The column names of the file. */
  readonly names: readonly string[];
  readonly features: readonly number[];
  readonly targets: readonly number[];
  readonly group: readonly number[];
  readonly order: number;
  /** Of the columns that the order column is made of. */
  readonly parts: readonly number[];
  readonly splits: readonly number[];
  readonly id: number;
}

export const NO_COLUMNS: ColumnIndices = {
  ...{ names: [], features: [], targets: [], group: [], parts: [], splits: [] },
  ...{ order: ABSENT, id: ABSENT },
};

/** The columns that name the group of a row. */
export function groupColumns({ group }: TableColumns): readonly NamedColumn[] {
  return typeof group === 'object' ? group : [];
}

/** All columns that are read. */
export function namedColumns(columns: TableColumns): readonly NamedColumn[] {
  const { features, targets, order, splits = [], id } = columns;
  const all = [...features, ...targets, ...groupColumns(columns), order, ...splits, id];
  return all.filter(column => column !== undefined);
}

/** @param header the column names of the table */
export function columnIndices(header: TableRecord, columns: TableColumns): ColumnIndices {
  const { features, targets, order, splits = [], id, delimiter, purpose } = columns;
  const names = header.fields.map(name => name.trim());
  const isTraining = purpose === 'train';
  // rows of a program may have the whole time
  const isWhole = !isTraining && names.includes(order?.name ?? '');
  const { keyPath = [], parts: joined = [] } = order ?? {};
  const parts = isWhole ? [] : joined.map((name, i) => ({ name, keyPath: [...keyPath, i] }));
  const isJoined = (column: NamedColumn | undefined) => parts.length > 0 && column?.parts !== undefined;
  // a model does not read names
  const read = [...namedColumns(columns).filter(column => !isJoined(column)), ...parts].map(column => {
    if (column === id) return { ...column, isOptional: !isTraining };
    return targets.includes(column) ? { ...column, role: 'the target, which an evaluation needs' } : column;
  });
  const find = findColumns(header, delimiter, read, purpose);
  const indexOf = (column: NamedColumn | undefined) => (isJoined(column) ? names.length : find(column));
  return {
    names: parts.length > 0 ? [...names, order?.name ?? ''] : names,
    parts: parts.map(find),
    features: features.map(indexOf),
    targets: targets.map(indexOf),
    group: groupColumns(columns).map(indexOf),
    order: indexOf(order),
    splits: splits.map(indexOf),
    id: indexOf(id),
  };
}

/** A row with its time at the end, if that is made of the columns `parts`. */
export function withTime(given: TableRecord, parts: readonly number[]): TableRecord {
  const { fields, row } = given;
  if (parts.length === 0) return given;
  const [first = parts[0]] = parts.filter(part => isMissing(fields[part].trim()));
  return {
    fields: [...fields, joinedText(parts.map(part => fields[part]))],
    row,
    place: field => given.place(field === fields.length ? first : field),
  };
}

/** Problem: a file contains several tables. */
export function repeatedHeader(place: Partial<CellPlace>, first: RowPlace | undefined): Diagnostic {
  return {
    code: 'data/csv-header-again',
    message: `the header${first ? ` of ${rowName(first)}` : ''} appears again`,
    ...place,
    expected: 'one header, or a file for each table',
  };
}

/** The first row, which determines the type of the order column. */
export interface FirstOrder {
  readonly numeric: boolean;
  readonly place: RowPlace;
}

/** Problem: a cell of the order column has no sort key. */
export function mixedOrder(cell: string, place: Partial<CellPlace>, first: FirstOrder): Diagnostic {
  const { numeric } = first;
  if (!numeric && looksLikeDate(cell)) return { ...badDate(cell, place, undefined), code: 'data/csv-order' };
  const firstRow = rowName(first.place, place);
  return {
    code: 'data/csv-order',
    message: 'the order column must have only numbers or only dates',
    ...place,
    expected: numeric
      ? `numbers, as in ${firstRow}`
      : NUMBER.test(cell)
        ? `ISO 8601 dates or times, as in ${firstRow}`
        : `numbers, or ${ISO_DATES}; others need \`dataset.date_format\``,
    got: JSON.stringify(cell.slice(0, 60)),
  };
}
