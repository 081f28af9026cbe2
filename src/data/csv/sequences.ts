/**
 * Reads sequences to predict from tables, row by row. As in training, the rows of a group form a
 * sequence, sorted by the order column; without a grouping column, each row is a sequence. The
 * target column and all other columns are ignored.
 */
import { type Diagnostic, damagedError, EXIT, UserError } from '../../util/errors.js';
import { FloatList } from '../columns.js';
import type { TextLevel } from '../dataset.js';
import { blankHeader, type Delimiter, otherDelimiter } from '../formats/csv.js';
import { CsvPieces } from '../formats/csv-pieces.js';
import { isParquet, ParquetFile } from '../formats/parquet.js';
import { type CellPlace, parquetRows, type RowPlace, rowName } from '../formats/tables.js';
import { NUMBER } from '../label-texts.js';
import {
  type ByteSource,
  type DataRecord,
  type InputSource,
  inTurn,
  placeName,
  type ReadSequence,
  type SequenceReader,
} from '../new-sequences.js';
import { Problems } from '../problems.js';
import { allBytes, beginning } from '../reading/byte-sources.js';
import { MAX_TEXT_BYTES } from '../reading/limits.js';
import { SeenTexts } from '../seen-texts.js';
import { symbolReader, symbolsOf, UnknownSymbol } from '../text/vocabulary.js';
import type { CsvConfig } from './csv.js';
import { recordingNames } from './files.js';
import {
  type FirstOrder,
  mixedOrder,
  type NamedRows,
  orderKey,
  orderRest,
  rowsName,
  samePlace,
} from './order.js';
import {
  badNumber,
  cellNumber,
  isMissing,
  isOtherTable,
  isWord,
  listed,
  missingCell,
  noRows,
} from './table.js';

/**
 * In files up to this total size, the rows of a group may be anywhere, as in training. Larger files
 * and streams are not kept in memory, so their groups must be contiguous.
 */
export const MAX_GATHERED_BYTES = 2 ** 24;

/** Maximum number of problems to report per sequence. */
export const MAX_TOLD = 20;

/** Bytes that tell the format of a table. */
const MAGIC_BYTES = 4;

/** Maximum number of values in a sequence: 64 MiB. */
const MAX_NUMBERS = 2 ** 24;

export function csvSequences(
  { features, level, sequence, id, delimiter }: CsvConfig,
  { vocabulary }: DataRecord,
): SequenceReader {
  const symbolOf = vocabulary && symbolReader(vocabulary);
  return {
    hasIds: true,
    hasTimes: sequence?.order !== undefined,
    async *read(given) {
      const { isSmall, sources } =
        sequence?.group === undefined ? { isSmall: false, sources: given } : await measured(given);
      const columns = { features, symbolOf, level, delimiter, id, ...sequence };
      const rows = new RowReader(columns, given, isSmall);
      const names = recordingNames(given.map(({ name }) => name));
      let index = 0;
      for await (const opened of inTurn(sources)) {
        rows.startFile(sequence?.per_file ? names[index++] : undefined);
        try {
          const { start, source } = await beginning(opened, MAGIC_BYTES);
          const read = isParquet(start) ? fromParquet(source, rows) : fromCsv(source, rows, delimiter);
          for await (const _ of read) yield rows.take();
        } catch (error) {
          const refused = sequence?.per_file ? damageOf(error) : undefined;
          if (refused) rows.refuse(refused);
          // sequences before the error are predicted, regardless of how the input is split into
          // chunks
          yield rows.take();
          if (!refused) throw error;
          continue;
        }
        if (sequence?.per_file) rows.endRecording(opened.name);
      }
      rows.end();
      yield rows.take();
    },
  };
}

/** What is damaged; undefined if the error has another cause. */
function damageOf(error: unknown): readonly Diagnostic[] | undefined {
  return error instanceof UserError && error.exitCode === EXIT.damaged ? error.diagnostics : undefined;
}

/**
 * Returns whether `sources` are files of up to {@link MAX_GATHERED_BYTES} in total, and the sources
 * to read instead: small files are in memory, since only its content tells how large a gzip file
 * is.
 */
async function measured(
  sources: readonly InputSource[],
): Promise<{ readonly isSmall: boolean; readonly sources: readonly InputSource[] }> {
  const opened: InputSource[] = [];
  let room = MAX_GATHERED_BYTES;
  for (const { name, open } of sources) {
    const given = await open();
    const isFile = given.size !== undefined || given.isDecompressedFile === true;
    const isLarge = !isFile || (given.size ?? 0) > room;
    const { start, source } = await beginning(given, isLarge ? 0 : room + 1);
    room -= isLarge ? room + 1 : start.length;
    opened.push({ name, open: async () => source });
    if (room < 0) break;
  }
  return { isSmall: room >= 0, sources: [...opened, ...sources.slice(opened.length)] };
}

/** Passes the records of a CSV file to `rows`, and yields after each chunk. */
async function* fromCsv(
  { name, chunks }: ByteSource,
  rows: RowReader,
  delimiter: Delimiter | undefined,
): AsyncGenerator<void> {
  const pieces = new CsvPieces(name, rows, delimiter);
  for await (const chunk of chunks) {
    pieces.push(chunk);
    yield;
  }
  pieces.end();
}

/** Rows between two yields. */
const ROWS_TOGETHER = 4096;

/** Passes the rows of a Parquet file to `rows`, and yields after some of them. */
async function* fromParquet(source: ByteSource, rows: RowReader): AsyncGenerator<void> {
  const { name } = source;
  const file = await ParquetFile.open(await allBytes(source, MAX_TEXT_BYTES), name);
  const names = file.columns.map(column => column.name);
  const record = (row: number, fields: readonly string[]): TableRecord => ({
    fields,
    row: { file: name, row: row + 1 },
    place: field => ({ file: name, row: row + 1, columnName: names[field] }),
  });
  rows.header({ ...record(0, names), place: () => ({ file: name }) });
  let start = 0;
  for await (const { count, fields } of parquetRows(file, rows.wanted)) {
    for (let row = 0; row < count; row++) {
      rows.row(record(start + row, fields(row)));
      if (row % ROWS_TOGETHER === 0) yield;
    }
    start += count;
    yield;
  }
}

/** A row of a table; valid only during the call that receives it. */
interface TableRecord {
  readonly fields: readonly string[];
  readonly row: RowPlace;
  place(field: number): Partial<CellPlace>;
}

interface Columns {
  readonly features: readonly string[];
  readonly delimiter: Delimiter | undefined;
  /** Numbers a symbol; absent if features are numbers. */
  readonly symbolOf?: ReturnType<typeof symbolReader> | undefined;
  /** Set if each row is a text. */
  readonly level?: TextLevel | undefined;
  readonly group?: string;
  readonly order?: string;
  /** Names rows that are sequences. */
  readonly id?: string | undefined;
}

/** A sequence with more rows to come. */
interface Open {
  /** Its group; undefined for a row. */
  readonly id: string | undefined;
  /** For messages. */
  readonly owner: NamedRows;
  readonly name: string;
  readonly values: FloatList;
  /** Cells of the order column, by row. */
  readonly order: OrderCell[];
  readonly problems: Diagnostic[];
  readonly place: RowPlace;
  rows: number;
}

interface OrderCell {
  readonly text: string;
  readonly key: number;
  /** What `key` leaves out. */
  readonly rest: number;
  readonly place: RowPlace;
  /** Index of its row in the sequence. */
  readonly row: number;
}

const ABSENT = -1;

class RowReader {
  private names: readonly string[] = [];
  private headerRow: RowPlace | undefined;
  private indices = { features: [] as readonly number[], group: ABSENT, order: ABSENT, id: ABSENT };
  private done: ReadSequence[] = [];
  /** Incomplete sequences, by group; at most one if groups must be contiguous. */
  private readonly open = new Map<string, Open>();
  private readonly ended = new SeenTexts();
  /** Group of the latest row; undefined before the first. */
  private latest: string | undefined;
  /** First cell of the order column; undefined before it. */
  private firstOrder: FirstOrder | undefined;
  /** Problems of the latest rows, if their groups are unknown. */
  private strays: Diagnostic[] = [];
  /** Name of the file if it is a sequence. */
  private recording: string | undefined;

  /** @param isGathered true if the rows of a group may be anywhere */
  constructor(
    private readonly columns: Columns,
    private readonly sources: readonly InputSource[],
    private readonly isGathered: boolean,
  ) {}

  /** @param recording name of the file if it is a sequence */
  startFile(recording: string | undefined): void {
    this.recording = recording;
  }

  /** Call after a file that is a sequence, with its name for messages. */
  endRecording(file: string): void {
    const { open, recording = '', done } = this;
    if (open.size === 0) done.push({ problems: [noRows(file)], id: recording });
    this.end();
  }

  /** Call instead if the file is damaged. */
  refuse(damage: readonly Diagnostic[]): void {
    const { open, recording = '' } = this;
    this.done.push({ problems: [...(open.get(recording)?.problems ?? []), ...damage], id: recording });
    open.clear();
  }

  /** Names of the columns that are read. */
  get wanted(): readonly string[] {
    const { features, group, order, id } = this.columns;
    return [...features, group, order, id].flatMap(name => name ?? []);
  }

  header(record: TableRecord): void {
    const problems = new Problems();
    const { features, group, order, id, delimiter } = this.columns;
    this.names = record.fields.map(name => name.trim());
    this.headerRow = record.row;
    const header = { place: (field: number) => record.place(field), delimiter };
    checkHeader(record.fields, header, [...features, group, order]);
    const indexOf = columnFinder(record.fields, header, problems);
    const indices = { features: features.map(indexOf), group: indexOf(group), order: indexOf(order) };
    // the model does not read names
    const hasIds = record.fields.some(name => name.trim() === id);
    this.indices = { ...indices, id: hasIds ? indexOf(id) : ABSENT };
    problems.throwIfAny();
  }

  row(record: TableRecord): void {
    const { features, group, order } = this.indices;
    const id = this.groupOf(record.fields);
    if (id !== undefined && isMissing(id)) {
      this.strayRow(missingCell(id, record.place(group)));
      return;
    }
    const open = this.sequenceOf(id, record, () => record.place(group));
    const isHeader = this.isHeader(record.fields);
    if (isHeader) complain(open, () => repeatedHeader(record.place(0), this.headerRow));
    for (const column of isHeader ? [] : features) {
      const problem = this.add(record.fields[column].trim(), open);
      if (problem) complain(open, () => problem(record.place(column)));
    }
    if (order !== ABSENT && !isHeader) this.orderCell(open, record);
    open.rows++;
    if (open.values.size > MAX_NUMBERS) complain(open, () => tooLong(open));
    if (id === undefined) this.close('');
  }

  /** True if a row has the column names, which the columns of numbers cannot have. */
  private isHeader(fields: readonly string[]): boolean {
    const { names, indices } = this;
    return (
      this.columns.symbolOf === undefined &&
      fields.every((field, column) => field.trim() === names[column]) &&
      indices.features.some(column => isWord(names[column]))
    );
  }

  /** Appends the number or symbols of a cell; returns its problem if it is invalid. */
  private add(
    text: string,
    { values, problems }: Open,
  ): ((place: Partial<CellPlace>) => Diagnostic) | undefined {
    const { symbolOf, level } = this.columns;
    const number = symbolOf ? undefined : cellNumber(text);
    if (!symbolOf && number === undefined) return place => badNumber(text, place);
    if (symbolOf && text === '') return place => missingCell(text, place);
    // invalid sequences are not predicted
    if (problems.length > 0) return undefined;
    if (number !== undefined) values.push(number);
    else if (symbolOf) {
      try {
        for (const symbol of level ? symbolsOf(text, level) : [text]) values.push(symbolOf(symbol));
      } catch (error) {
        if (!(error instanceof UnknownSymbol)) throw error;
        return place => ({ ...error.problem, ...place });
      }
    }
    return undefined;
  }

  /** Reports a row with the wrong number of fields: its sequence lacks a step. */
  ragged(record: TableRecord, problem: Diagnostic): void {
    const { group } = this.indices;
    const id = this.groupOf(record.fields);
    if (group === ABSENT && this.recording === undefined) this.done.push({ problems: [problem] });
    else if (id === undefined || isMissing(id)) this.strayRow(problem);
    else
      complain(
        this.sequenceOf(id, record, () => problem),
        () => problem,
      );
  }

  /** The group of a row; undefined if rows are sequences, or the cell is lacking. */
  private groupOf(fields: readonly string[]): string | undefined {
    return this.recording ?? fields[this.indices.group]?.trim();
  }

  /** Returns the sequences completed since the last call. */
  take(): readonly ReadSequence[] {
    const { done } = this;
    this.done = [];
    return done;
  }

  end(): void {
    const { strays } = this;
    const told = this.spoiled(undefined);
    if (strays.length > 0 && told.length === 0) this.done.push({ problems: strays });
    for (const id of [...this.open.keys()]) this.close(id);
  }

  /** Keeps the problem of a row with unknown group until the group after it is known. */
  private strayRow(problem: Diagnostic): void {
    if (this.strays.length < MAX_TOLD) this.strays.push(problem);
  }

  /**
   * Reports rows with unknown group to the group before them; they may also belong to the one
   * `after` them.
   * @returns what to report to that group
   */
  private spoiled(after: string | undefined): readonly Diagnostic[] {
    const { strays } = this;
    if (strays.length === 0) return [];
    this.strays = [];
    const before = this.latest === undefined ? undefined : this.open.get(this.latest);
    const groups = [...new Set([before?.id, after])].flatMap(id => (id === undefined ? [] : [id]));
    if (groups.length === 0) return [];
    const names = groups.map(id => JSON.stringify(id)).join(' or ');
    const told = strays.map(problem => ({
      ...problem,
      message: `${problem.message}; the row may belong to group ${names}`,
    }));
    for (const problem of told) if (before) complain(before, () => problem);
    return before?.id === after ? [] : told;
  }

  private sequenceOf(
    id: string | undefined,
    record: TableRecord,
    placeOfGroup: () => Partial<Diagnostic>,
  ): Open {
    const key = id ?? '';
    const spoiled = this.spoiled(id);
    if (this.latest !== undefined && key !== this.latest && !this.isGathered) this.close(this.latest);
    this.latest = key;
    const open = this.open.get(key) ?? this.begin(id, record, placeOfGroup);
    this.open.set(key, open);
    for (const problem of spoiled) complain(open, () => problem);
    return open;
  }

  private begin(
    id: string | undefined,
    { fields, row: place }: TableRecord,
    placeOfGroup: () => Partial<Diagnostic>,
  ): Open {
    const width = this.columns.features.length;
    const values = new FloatList(width * (id === undefined ? 1 : this.isGathered ? 4 : 64));
    // not a problem of this sequence alone, which could be skipped: an earlier prediction is wrong
    if (id !== undefined && this.ended.has(id)) throw damagedError(comesBack(id, placeOfGroup()));
    const ownName = id ?? fields[this.indices.id]?.trim();
    const name = ownName || placeName(place, this.sources);
    const owner = this.recording === undefined ? { group: id ?? '' } : { file: this.recording };
    return { id, owner, name, values, order: [], problems: [], place, rows: 0 };
  }

  private orderCell(open: Open, record: TableRecord): void {
    const { order } = this.indices;
    const text = record.fields[order].trim();
    const first = this.firstOrder ?? { numeric: NUMBER.test(text), place: record.row };
    const key = orderKey(first.numeric)(text);
    if (isMissing(text)) complain(open, () => missingCell(text, record.place(order)));
    else if (!Number.isFinite(key)) complain(open, () => mixedOrder(text, record.place(order), first));
    else {
      this.firstOrder = first;
      open.order.push({
        text,
        key,
        rest: orderRest(first.numeric)(text),
        place: record.row,
        row: open.rows,
      });
    }
  }

  private close(id: string): void {
    const open = this.open.get(id);
    if (!open) return;
    this.open.delete(id);
    if (this.indices.group !== ABSENT && !this.isGathered) this.ended.add(id);
    this.done.push(closed(open, this.columns, this.sources));
  }
}

function complain({ problems }: Open, problem: () => Diagnostic): void {
  if (problems.length < MAX_TOLD) problems.push(problem());
}

function compare(a: OrderCell, b: OrderCell): number {
  return a.key - b.key || a.rest - b.rest;
}

function closed(open: Open, columns: Columns, sources: readonly InputSource[]): ReadSequence {
  const { values, order, problems, place, rows } = open;
  const named = { id: open.name };
  const sorted = order.toSorted((a, b) => compare(a, b) || a.row - b.row);
  const tie = sorted.findIndex((cell, i) => i > 0 && compare(cell, sorted[i - 1]) === 0);
  if (tie > 0) {
    const earlier = rowName(sorted[tie - 1].place, sorted[tie].place);
    problems.push(samePlace(open.owner, sorted[tie].text, { ...sorted[tie], earlier }));
  }
  const fileOf = ({ file }: Diagnostic) => sources.findIndex(({ name }) => name === file);
  const inOrderOfRows = problems.toSorted((a, b) => fileOf(a) - fileOf(b) || numberOf(a) - numberOf(b));
  if (problems.length > 0) return { problems: inOrderOfRows, ...named };
  const size = columns.features.length;
  const read = values.toArray();
  const inOrder = columns.order === undefined || sorted.every(({ row }, i) => row === i);
  return {
    length: columns.level === undefined ? rows : read.length,
    values: inOrder
      ? read
      : Float32Array.from(read, (_, i) => read[sorted[Math.floor(i / size)].row * size + (i % size)]),
    ...named,
    ...(columns.order !== undefined && { times: sorted.map(({ text }) => text) }),
    place,
  };
}

function numberOf({ line, row }: Diagnostic): number {
  return line ?? row ?? 0;
}

interface Header {
  /** Position of a column name. */
  place(field: number): Partial<CellPlace>;
  readonly delimiter: Delimiter | undefined;
}

/**
 * Checks that a header has names, and not only those of another table than the one with the
 * columns `wanted`.
 * @throws UserError (exit 5) if not, as one problem
 */
export function checkHeader(
  fields: readonly string[],
  { place, delimiter }: Header,
  wanted: readonly (string | undefined)[],
): void {
  const names = fields.map(name => name.trim());
  if (names.every(name => name === '')) throw damagedError(blankHeader(place(0).file ?? ''));
  const read = wanted.filter(name => name !== undefined);
  if (otherDelimiter(names, delimiter) !== undefined || !isOtherTable(read, names)) return;
  throw damagedError({
    code: 'data/csv-missing-column',
    message: `there is none of the columns ${listed(read)}, which the model reads`,
    ...place(0),
    expected: trainingHeader(place(0)),
    got: names.join(', ').slice(0, 200),
  });
}

/** @param place of the header; a Parquet file has no lines */
function trainingHeader(place: Partial<CellPlace>): string {
  return `${'line' in place ? 'a header line with ' : ''}the column names of the training data`;
}

/**
 * Returns the function from the name of a column that the model reads to its index in an input; -1
 * without a name. Columns that are missing or occur twice are added to `problems`; only one if the
 * header was not split.
 */
export function columnFinder(
  fields: readonly string[],
  { place, delimiter }: Header,
  problems: Problems,
): (name: string | undefined) => number {
  const names = fields.map(name => name.trim());
  return name => {
    if (name === undefined) return ABSENT;
    const index = names.indexOf(name);
    const again = names.indexOf(name, index + 1);
    if (index === ABSENT) addMissing(problems, name, names, { ...place(0), delimiter });
    else if (again !== ABSENT) {
      const message = `two columns are named ${JSON.stringify(name)}`;
      problems.add({ code: 'data/csv-duplicate-column', message, ...place(again) });
    }
    return index;
  };
}

function addMissing(
  problems: Problems,
  name: string,
  names: readonly string[],
  { delimiter, ...place }: Partial<CellPlace> & { readonly delimiter: Delimiter | undefined },
): void {
  const other = otherDelimiter(names, delimiter);
  const isSplit = other === undefined;
  if (!isSplit && problems.all.length > 0) return;
  problems.add({
    code: 'data/csv-missing-column',
    message: `there is no column ${JSON.stringify(name)}, which the model reads`,
    ...place,
    expected: isSplit
      ? trainingHeader(place)
      : `fields separated by ${JSON.stringify(delimiter ?? ',')}, as in the training data; ` +
        `\`predict --set 'dataset.delimiter=${JSON.stringify(other).slice(1, -1)}'\` reads these`,
    got: names.join(', ').slice(0, 200),
  });
}

function comesBack(id: string, place: Partial<Diagnostic>): Diagnostic {
  return {
    code: 'data/csv-group-again',
    message: `group ${JSON.stringify(id)} appears again after other groups, so a prediction already made for it is incomplete`,
    ...place,
    expected: `rows sorted by group, or files of up to ${MAX_GATHERED_BYTES / 2 ** 20} MiB in total instead of a stream`,
  };
}

/** Problem: several tables stand in one file. */
function repeatedHeader(place: Partial<CellPlace>, first: RowPlace | undefined): Diagnostic {
  return {
    code: 'data/csv-header-again',
    message: `the header${first ? ` of ${rowName(first)}` : ''} appears again`,
    ...place,
    expected: 'one header, or a file for each table',
  };
}

function tooLong({ owner, place }: Open): Diagnostic {
  return {
    code: 'data/sequence-too-long',
    message: `${rowsName(owner)} is too long to predict`,
    ...place,
    expected: `at most ${MAX_NUMBERS} numbers`,
  };
}
