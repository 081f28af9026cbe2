/** The columns of a table: types, dates and missing values, as found in their cells. */

import { badNumber, cellNumber, isNumeric, missingTest, orderKey } from '../data/core/cells.js';
import { joinedText } from '../data/core/columns.js';
import { Problems } from '../data/core/problems.js';
import { likelyMarkers, MAY_BE_MEASURED } from '../data/core/statistics.js';
import { repeatedHeader } from '../data/csv/columns.js';
import { COMMA_NUMBER, type Decimal, decimalOf, NUMBER, plainNumber } from '../data/formats/numbers.js';
import { isParquet } from '../data/formats/parquet.js';
import { type Delimiter, type RowPlace, rowName, type TableHandlers } from '../data/formats/table-records.js';
import { formatNamed, guessDelimiter, readTable } from '../data/formats/tables.js';
import { oneChunk } from '../data/reading/byte-sources.js';
import { TABLE_NAME } from '../data/reading/facts.js';
import { inputFiles, readContent, shortNames } from '../data/reading/files.js';
import { damagedError, damagedErrors, usageError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import { counted } from '../util/words.js';
import { blocksIn } from './blocks.js';
import { areDates, formsOf, timeReader } from './dates.js';
import { refuseOddRows } from './odd-rows.js';

/**
 * Words among numbers mean a missing value up to this fraction, and up to this number of different
 * words that mean none in other columns.
 */
const MAX_BAD = 0.1;
const MAX_MARKERS = 5;
/** So few words do whatever they are. */
const MAX_RARE = 0.02;

/** Whole numbers of more values are no classes. */
export const MAX_CLASSES = 20;

export type Column = ReturnType<typeof columnOf> & {
  /** The columns of a table that together are this one. */
  readonly parts?: readonly string[];
};

export interface Columns {
  readonly columns: readonly Column[];
  /** Some columns as one, whose cells are joined by spaces. @param form that its dates may have */
  joined?(parts: readonly string[], form?: string): Column;
  readonly delimiter: Delimiter;
  /** The mark before the decimals of numbers, if some have commas. */
  readonly decimal?: Decimal | undefined;
  /** A number with a comma that alone would not tell this mark. */
  readonly doubtful?: string | undefined;
  /** Given to the columns of a table without a line of names. */
  readonly columnNames: readonly string[] | undefined;
  readonly format: string;
  /** If the table is a folder: the name of the file of each row. */
  readonly files: Column | undefined;
  /** The only file of a folder whose columns are not those of all others. */
  readonly odd: FileColumns | undefined;
}

interface Sources {
  /** How dates are written, if they are not ISO 8601. */
  readonly dateForm?: string | undefined;
  /** The mark before decimals. Default: guessed. */
  readonly decimal?: Decimal | undefined;
  /** Files of other splits, whose columns must be read in the same way. */
  readonly others: readonly string[];
}

export async function readColumns(path: string, { dateForm, decimal, others }: Sources): Promise<Columns> {
  const all: FileColumns[] = [];
  for (const file of await inputFiles(path, TABLE_NAME))
    all.push(inOrderOf(all[0], await readFile(file, { columnNames: all[0]?.columnNames, decimal })));
  const odd = oddOne(all);
  const tables = all.filter(fileColumns => fileColumns !== odd);
  const files = tables.map(table => table.path);
  const [first] = tables;
  const beside: FileColumns[] = [];
  for (const file of others) beside.push(await readFile(file, { columnNames: first.columnNames, decimal }));
  const other = tables.find(table => headerOf(table) !== headerOf(first));
  if (other)
    throw damagedError('init/folder', 'the files of this folder have different columns', {
      file: other.path,
      expected: `${headerOf(first)}, as in ${first.path}`,
      got: headerOf(other),
    });
  const wanted = columnsOf(first);
  /** @param i which of several columns with this name */
  const read = (parts: readonly string[], facts: Partial<ColumnFacts>, i?: number) => {
    const having = beside.filter(({ names }) => parts.every(name => names.includes(name)));
    const cellsIn = ({ names, cells, places }: FileColumns, at = parts.map(name => names.indexOf(name))) =>
      at.length === 1 ? cells[at[0]] : places.map((_, row) => joinedText(at.map(place => cells[place][row])));
    const cells = tables.flatMap(table => cellsIn(table, i === undefined ? undefined : [i]));
    return columnOf(parts.join(' '), cells, {
      beside: having.flatMap(table => cellsIn(table)),
      places: [...tables, ...having].flatMap(table => table.places),
      unreadable: i === undefined ? undefined : first.unreadable[i],
      lackedBy: others.filter((_, k) => !having.includes(beside[k])),
      dateForm,
      ...facts,
    });
  };
  const alone = first.names.map((name, i) => read([name], {}, i));
  const known = new Set(alone.flatMap(({ markers }) => markers));
  const columns = alone
    .map((column, i) => (column.hasNumbers && !column.isNumber ? read([column.name], { known }, i) : column))
    .filter(({ name }) => wanted.includes(name));
  const names = shortNames(files);
  const fileOfRow = tables.flatMap((table, i) => table.places.map(() => names.get(files[i]) as string));
  return {
    columns,
    joined(parts, form = dateForm) {
      const whole = read(parts, { dateForm: form });
      const forms = whole.forms.filter(possible => possible.startsWith(form ?? ''));
      return { ...whole, parts, forms: forms.length > 0 ? forms : whole.forms };
    },
    delimiter: first.delimiter,
    decimal: tables.find(table => table.decimal)?.decimal,
    doubtful: tables.find(table => table.doubtful)?.doubtful,
    columnNames: first.columnNames,
    format: first.format,
    odd,
    files:
      files.length > 1
        ? columnOf('file', fileOfRow, { places: tables.flatMap(table => table.places) })
        : undefined,
  };
}

/** The columns of `file` in the order of the `first` one, if it has the same. */
function inOrderOf(first: FileColumns | undefined, file: FileColumns): FileColumns {
  const { names, cells, unreadable } = file;
  const order = first?.names.map(name => names.indexOf(name)) ?? [];
  if (first === undefined || new Set(order).size < names.length || order.includes(-1)) return file;
  return {
    ...file,
    ...{ names: first.names, cells: order.map(i => cells[i]), unreadable: order.map(i => unreadable[i]) },
  };
}

function headerOf({ names }: FileColumns): string {
  return names.join(', ');
}

/** The only one of at least three tables that has other columns. */
function oddOne(tables: readonly FileColumns[]): FileColumns | undefined {
  const headers = countsOf(tables.map(headerOf));
  const odd = tables.filter(table => headers.get(headerOf(table)) === 1);
  return headers.size === 2 && odd.length === 1 && tables.length > 2 ? odd[0] : undefined;
}

type Given = Pick<Columns, 'columnNames' | 'decimal' | 'doubtful'>;

/** A file of a table, with its cells as text. */
export interface FileColumns extends Given, Pick<Columns, 'delimiter' | 'format'> {
  readonly path: string;
  readonly names: readonly string[];
  readonly cells: readonly (readonly string[])[];
  readonly unreadable: readonly (string | undefined)[];
  readonly places: readonly RowPlace[];
}

/** The columns that a model may read or predict: of a treebank, words and tags. */
function columnsOf({ names, cells, format }: FileColumns): readonly string[] {
  if (format !== 'conllu') return names;
  const isTagged = cells[names.indexOf('upos')].some(cell => cell !== '');
  return ['sentence', 'form', isTagged ? 'upos' : 'xpos'];
}

/** @param given what is known of its cells */
export async function readFile(path: string, given: Partial<Given> = {}): Promise<FileColumns> {
  const { bytes } = await readContent(path);
  const format = isParquet(bytes) ? 'parquet' : formatNamed(path);
  const blocks = format === 'csv' ? blocksIn(path, bytes) : undefined;
  const delimiter = blocks?.delimiter ?? (format === 'csv' ? guessDelimiter(bytes) : ',');
  const columnNames = given.columnNames ?? blocks?.columnNames;
  const blankLines = blocks !== undefined;
  const problems = new Problems();
  const names: string[] = [];
  const cells: string[][] = [];
  const unreadable: (string | undefined)[] = [];
  const places: RowPlace[] = [];
  const widths: number[] = [];
  const handlers: TableHandlers = {
    header({ fields }, parquet) {
      for (const [i, name] of fields.entries()) {
        names.push(name.trim());
        cells.push([]);
        unreadable.push(parquet?.[i].unreadable);
      }
    },
    add({ fields, row }) {
      if (fields.every(field => field.trim() === '')) return;
      places.push(row);
      for (const [i, column] of cells.entries()) column.push(fields[i].trim());
    },
    ragged({ fields }, problem) {
      widths.push(fields.length);
      problems.add(problem);
    },
  };
  for await (const _ of readTable(oneChunk(path, bytes), handlers, { delimiter, columnNames, blankLines }));
  const isTitle = 2 * names.filter(name => name === '').length > names.length;
  const areOdd = widths.length > 2 * places.length && new Set(widths).size <= 2;
  if (format === 'csv' && (isTitle || areOdd))
    throw damagedError('init/title', 'the first line does not have the names of the columns', {
      ...{ file: path, line: 1 },
      expected: 'a table that starts with their names: remove the lines above them',
    });
  problems.throwIfAny();
  if (places.length === 0)
    throw damagedError('init/table', 'the table has no rows', {
      file: path,
      expected: 'a line with the names of the columns, and rows below it',
    });
  const isAgain = (row: number) => names.every((name, i) => cells[i][row] === name);
  const again = places.findIndex((_, row) => isAgain(row));
  const others = again < 0 ? cells : cells.map(column => column.filter((_, row) => !isAgain(row)));
  // the first line of a table without names may appear again, as other rows
  const mayLackNames =
    format === 'csv' && !blankLines && columnNames === undefined && isHeadless(names, others);
  if (again >= 0 && !mayLackNames && names.every(name => cellNumber(name) === undefined))
    throw damagedErrors([repeatedHeader(places[again], { file: path, line: 1 })]);
  if (mayLackNames) return readFile(path, { ...given, columnNames: names.map((_, i) => `c${i + 1}`) });
  if (format === 'csv' && !blankLines) refuseOddRows(cells, places);
  const usual = delimiter === ';' || delimiter === '\t' ? ',' : undefined;
  const { decimal, doubtful } =
    format === 'csv' && given.decimal === undefined
      ? decimalIn(cells, usual, i => ({ ...places[i[1]], columnName: names[i[0]] }))
      : given;
  const plain = decimal ? cells.map(column => column.map(cell => plainNumber(cell, decimal))) : cells;
  return { path, names, cells: plain, unreadable, places, delimiter, decimal, doubtful, columnNames, format };
}

/**
 * The mark before the decimals of numbers, if some have commas.
 * @param usual in files with this delimiter
 * @throws UserError (exit 5) if there is none that all of them have
 */
function decimalIn(
  columns: readonly (readonly string[])[],
  usual: Decimal | undefined,
  placeOf: (cell: readonly [column: number, row: number]) => object,
): Partial<Given> {
  const found = columns.flatMap((column, i) => {
    const numbers = column.filter(isNumeric);
    const row = column.findIndex(cell => COMMA_NUMBER.test(cell));
    return row < 0 || 2 * numbers.length <= column.length ? [] : [{ numbers, cell: [i, row] as const }];
  });
  if (found.length === 0) {
    const marked = thousandsIn(columns);
    return marked === undefined ? {} : { decimal: ',', doubtful: marked };
  }
  const numbers = found.flatMap(cell => cell.numbers);
  const decimal = decimalOf(numbers, usual);
  const commas = numbers.filter(cell => COMMA_NUMBER.test(cell));
  const isFraction = (cell: string) => /^[+-]?0/.test(cell);
  const areDoubtful = commas.every(cell => /^[+-]?\d{1,3},\d{3}$/.test(cell));
  if (decimal) return { decimal, doubtful: areDoubtful ? (commas.find(isFraction) ?? commas[0]) : undefined };
  const [i, row] = found[0].cell;
  const expected =
    'a decimal point, as in 0.5, or the mark before decimals: `--decimal ,`, or `--decimal .` if commas are between thousands';
  throw damagedErrors([{ ...badNumber(columns[i][row], placeOf([i, row])), expected }]);
}

const THOUSANDS = /^[+-]?[1-9]\d{0,2}(?:\.\d{3})+$/;

/**
 * A number with a point between its thousands, if all with a point may have it there and some
 * surely do: where 1.130 keeps its last 0, 987 is no 987.000.
 */
function thousandsIn(columns: readonly (readonly string[])[]): string | undefined {
  const all = columns.map(column => column.filter(cell => NUMBER.test(cell)));
  const pointed = all.map(numbers => numbers.filter(cell => cell.includes('.')));
  if (!pointed.flat().every(cell => THOUSANDS.test(cell))) return undefined;
  const isMarked = (numbers: readonly string[], i: number) =>
    numbers.length > pointed[i].length &&
    pointed[i].some(cell => cell.endsWith('0')) &&
    numbers.every(cell => cell.includes('.') || /^[+-]?(?:0|[1-9]\d{0,2})$/.test(cell));
  return pointed[all.findIndex(isMarked)]?.[0];
}

/** Maximum number of different words in texts of few symbols, such as sounds. */
const MAX_SYMBOLS = 200;

/** True if the first line of a table has values instead of names. */
function isHeadless(names: readonly string[], cells: readonly (readonly string[])[]): boolean {
  const isIn = (name: string, i: number) => name !== '' && cells[i].includes(name);
  const isWritten = (name: string, i: number) => {
    const words = name.split(/\s+/);
    const known = new Set(cells[i].flatMap(cell => cell.split(/\s+/)));
    return words.length > 1 && known.size <= MAX_SYMBOLS && words.every(word => known.has(word));
  };
  const isLabel = (name: string, i: number) => cellNumber(name) === undefined && isIn(name, i);
  return (
    names.every((name, i) => cellNumber(name) !== undefined || isIn(name, i)) ||
    names.some((name, i) => isLabel(name, i) || isWritten(name, i))
  );
}

interface ColumnFacts {
  /** Its cells in the files of other splits. */
  readonly beside?: readonly string[];
  /** Of all rows, those of other splits last. */
  readonly places: readonly RowPlace[];
  readonly unreadable?: string | undefined;
  readonly lackedBy?: readonly string[];
  readonly dateForm?: string | undefined;
  /** Words that mean missing values in other columns. */
  readonly known?: ReadonlySet<string>;
}

const NONE: ReadonlySet<string> = new Set();

export function columnOf(
  name: string,
  cells: readonly string[],
  { beside = [], places, unreadable, lackedBy = [], dateForm, known = NONE }: ColumnFacts,
) {
  const all = [...cells, ...beside];
  const isMissing = missingAmong(all);
  const present = all.filter(cell => !isMissing(cell));
  const words = present.filter(cell => cellNumber(cell) === undefined);
  const kinds = [...new Set(words)];
  const unknown = kinds.filter(word => !known.has(word));
  const areFew =
    words.length <= MAX_RARE * present.length ||
    (words.length <= MAX_BAD * present.length && unknown.length <= MAX_MARKERS);
  const isNumber = words.length < present.length && areFew;
  const markers = isNumber ? [...kinds, ...markersAmong(present)] : [];
  const filled = present.filter(cell => !markers.includes(cell));
  const maxBad = isNumber ? 0 : MAX_BAD;
  const isIso = !isNumber && areDates(filled, timeOf, maxBad);
  const forms = isIso
    ? []
    : dateForm !== undefined && areDates(filled, timeReader(dateForm), maxBad)
      ? [dateForm]
      : formsOf(filled, maxBad);
  const isTime = isIso || forms.length > 0;
  const read = forms.length > 0 ? timeReader(forms[0]) : timeOf;
  const noDates = new Set(isTime ? filled.filter(cell => Number.isNaN(read(cell))) : []);
  const isValue = (cell: string) => !isMissing(cell) && !markers.includes(cell) && !noDates.has(cell);
  const values = filled.filter(isValue);
  const hasNumbers = 2 * words.length < present.length && !isTime;
  const rowsOf = (test: (cell: string) => boolean) => {
    const rows = all.flatMap((cell, row) => (test(cell) ? [row] : []));
    return `${counted(rows.length, 'row')}, first in ${rowName(places[rows[0]])}`;
  };
  const missing = all.length - values.length;
  const distinct = new Set(cells.filter(isValue)).size;
  // measured numbers may be rare, too
  const mayBeMerged = !isNumber || (distinct === values.length && values.every(cell => /^\d+$/.test(cell)));
  const areMerged = mayBeMerged && seemMerged(cells.map(isValue));
  // a few numbers without a unit may be markers of missing values
  const written = words.length >= (1 - MAX_BAD) * present.length ? words : values;
  const unit = isNumber || isTime ? undefined : unitOf(written);
  return {
    name,
    /** Of the training split; all other fields cover the files of other splits, too. */
    cells,
    isValue,
    /** Files of other splits without this column. */
    lackedBy,
    /** Number of cells without a value. */
    missing,
    /** Cells that mean a missing value besides the usual ones. */
    markers,
    isNumber: isNumber && !isTime,
    /** True if numbers outnumber words. */
    hasNumbers,
    isTime,
    /**
     * How the dates are written, if not in ISO 8601: several if day and month cannot be told apart.
     */
    forms,
    isFull: missing === 0,
    /** The unit of all its numbers, such as `kg` or `$`. */
    unit,
    distinct,
    /** Why it can be neither feature nor target. */
    problem:
      unreadable ??
      (distinct === 0
        ? 'no row has a value'
        : unit !== undefined && distinct > MAX_CLASSES
          ? `numbers with "${unit}", which have to be numbers alone`
          : hasNumbers && !isNumber
            ? `not a number in ${rowsOf(cell => words.includes(cell))}`
            : undefined),
    /** Where values are missing. */
    gaps:
      missing === 0
        ? undefined
        : `no ${noDates.size > 0 ? 'date' : 'value'} in ${rowsOf(cell => !isValue(cell))}${noDates.size > 0 ? `: ${JSON.stringify([...noDates][0])}` : ''}${areMerged ? `; ${MERGED}` : ''}`,
    areMerged,
    /** The name of a row. */
    nameOf: (row: number) => rowName(places[row]),
  };
}

export const MERGED = 'its cells seem to be merged in a spreadsheet: fill them down first';

/** Rows of a merged cell, and merged cells, from which on they are no accident. */
const [MIN_ROWS, MIN_MERGED] = [3, 5];

/** True if values stand at regular distances, with empty cells between them. */
function seemMerged(areFilled: readonly boolean[]): boolean {
  const rows = [...areFilled.keys()].filter(row => areFilled[row]);
  const every = rows[1] - rows[0];
  const isLast = areFilled.length - rows[rows.length - 1] <= every;
  return (
    rows.length >= MIN_MERGED && every >= MIN_ROWS && isLast && rows.every((row, i) => row === i * every)
  );
}

const timeOf = orderKey(false);

const mayBeMissing = missingTest();
const NONE_WORD = 'None';

/**
 * The test of cells that mean a missing value: None is a kind if another of few is not far more
 * frequent.
 */
function missingAmong(cells: readonly string[]): (cell: string) => boolean {
  const counts = countsOf(cells.filter(cell => cell === NONE_WORD || !mayBeMissing(cell)));
  const none = counts.get(NONE_WORD);
  counts.delete(NONE_WORD);
  if (none === undefined || counts.size < 2 || counts.size >= MAX_CLASSES) return mayBeMissing;
  const isKind = [...counts].every(([word]) => cellNumber(word) === undefined);
  const isUsual = [...counts.values()].some(count => count <= 2 * none);
  return isKind && isUsual ? cell => cell !== NONE_WORD && mayBeMissing(cell) : mayBeMissing;
}

function unitOf(cells: readonly string[]): string | undefined {
  const [unit, ...others] = new Set(
    cells.map(cell => {
      const [, before, after] =
        /^(?:(\p{Sc})\s*[+-]?[\d.,]+|[+-]?[\d.,]+\s*([\p{L}\p{Sc}°%][^\d\s]*))$/u.exec(cell) ?? [];
      return before ?? after;
    }),
  );
  return others.length === 0 ? unit : undefined;
}

/** Cells with a number that looks like a marker of missing values. */
function markersAmong(cells: readonly string[]): string[] {
  const numbers = likelyMarkers(visit => {
    for (const cell of cells) visit(cellNumber(cell) ?? Number.NaN);
  });
  const sure = numbers.filter(number => !MAY_BE_MEASURED.has(number));
  return sure.length === 0 ? [] : [...new Set(cells)].filter(cell => sure.includes(Number(cell)));
}

/** The sort key of each row: its number, or milliseconds since 1970; NaN without a value. */
export function keysOf({ cells, isValue, isTime, forms }: Column): number[] {
  const read = forms.length > 0 ? timeReader(forms[0]) : isTime ? timeOf : Number;
  return cells.map(cell => (isValue(cell) ? read(cell) : Number.NaN));
}

/** True if each value of `of` has one value of `column`. */
export function isFactOf(fact: Column, column: Column): boolean {
  const seen = new Map<string, string>();
  return fact.cells.every((cell, row) => {
    const known = seen.get(cell) ?? column.cells[row];
    seen.set(cell, known);
    return known === column.cells[row];
  });
}

/** The rows of a list in which a column has no value. */
export function withoutValue({ cells, isValue }: Column, list: readonly number[]): number[] {
  return list.filter(row => !isValue(cells[row]));
}

export function isWhole({ cells, isValue }: Column): boolean {
  return cells.every(cell => !isValue(cell) || Number.isInteger(Number(cell)));
}

export function countsOf(values: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

export function columnNamed<C extends { readonly name: string }>(
  role: string,
  name: string | undefined,
  columns: readonly C[],
  path: string,
): C | undefined {
  const found = columns.find(column => column.name === name);
  if (found || name === undefined) return found;
  const names = columns.map(column => column.name);
  throw usageError('init/no-column', `${path} has no column ${JSON.stringify(name)}`, {
    file: `--${role}`,
    expected: names.join(', '),
    suggestion: nearest(name, names),
  });
}
