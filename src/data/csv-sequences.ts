/**
 * Reads sequences to predict from tables, row by row. As in training, the rows of a group form a
 * sequence, sorted by the order column; without a grouping column, each row is a sequence. The
 * target column and all other columns are ignored.
 */
import { type Diagnostic, damagedError, EXIT, UserError } from '../util/errors.js';
import type { TextLevel } from './core/dataset.js';
import { NUMBER } from './core/labels.js';
import type { Assembler, DataRecord, ReadSequence, SequenceReader } from './core/pipeline.js';
import { FloatList } from './core/values.js';
import type { CsvConfig } from './csv.js';
import {
  ABSENT,
  badNumber,
  cellNumber,
  findColumns,
  isMissing,
  isWord,
  missingCell,
  repeatedHeader,
} from './csv-columns.js';
import { noRows } from './csv-table.js';
import type { Delimiter } from './formats/csv-records.js';
import {
  type CellPlace,
  type RowPlace,
  readTable,
  rowName,
  type TableHandlers,
  type TableRecord,
} from './formats/tables.js';
import { beginning, type InputSource, inTurn, placeNames } from './reading/byte-sources.js';
import { shortNames } from './reading/input-files.js';
import {
  type FirstOrder,
  mixedOrder,
  type NamedRows,
  orderKey,
  orderRest,
  rowsName,
  samePlace,
} from './row-order.js';
import { symbolReader, symbolsOf, UnknownSymbol } from './vocabulary.js';

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
      const names = shortNames(given.map(({ name }) => name));
      let index = 0;
      for await (const opened of inTurn(sources)) {
        rows.startFile(sequence?.per_file ? names[index++] : undefined);
        try {
          for await (const _ of readTable(opened, rows, delimiter)) yield rows.take();
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

/**
 * In files up to this total size, the rows of a group may be anywhere, as in training. Larger files
 * and streams are not kept in memory, so their groups must be contiguous.
 */
export const MAX_GATHERED_BYTES = 2 ** 24;

/** Maximum number of problems to report per sequence. */
export const MAX_TOLD = 20;

/** Maximum number of values in a sequence: 64 MiB. */
const MAX_NUMBERS = 2 ** 24;

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

/** Maximum number of groups whose return is noticed; their names take about 100 MiB. */
const MAX_ENDED = 2 ** 20;

/** Makes sequences of the rows of an input. */
export class RowReader implements Assembler<TableRecord>, TableHandlers {
  private names: readonly string[] = [];
  private headerRow: RowPlace | undefined;
  private indices = { features: [] as readonly number[], group: ABSENT, order: ABSENT, id: ABSENT };
  private done: ReadSequence[] = [];
  /** Incomplete sequences, by group; at most one if groups must be contiguous. */
  private readonly open = new Map<string, Open>();
  private readonly ended = new Set<string>();
  /** Group of the latest row; undefined before the first. */
  private latest: string | undefined;
  /** First cell of the order column; undefined before it. */
  private firstOrder: FirstOrder | undefined;
  /** Problems of the latest rows, if their groups are unknown. */
  private strays: Diagnostic[] = [];
  /** Names a sequence by its place. */
  private readonly nameOf: ReturnType<typeof placeNames>;
  /** Name of the file if it is a sequence. */
  private recording: string | undefined;

  /** @param isGathered true if the rows of a group may be anywhere */
  constructor(
    private readonly columns: Columns,
    private readonly sources: readonly InputSource[],
    private readonly isGathered: boolean,
  ) {
    this.nameOf = placeNames(sources);
  }

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
    const { features, group, order, id, delimiter } = this.columns;
    this.names = record.fields.map(name => name.trim());
    this.headerRow = record.row;
    const named = (name: string | undefined) => (name === undefined ? undefined : { name });
    // the model does not read names
    const idColumn = id === undefined ? undefined : { name: id, isOptional: true };
    const columns = [...features, group, order].map(named);
    const given = [...columns, idColumn].filter(column => column !== undefined);
    const indexOf = findColumns(record, delimiter, given, 'predict');
    this.indices = {
      features: features.map(name => indexOf({ name })),
      group: indexOf(named(group)),
      order: indexOf(named(order)),
      id: indexOf(idColumn),
    };
  }

  add(record: TableRecord): void {
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
      const problem = this.addCell(record.fields[column].trim(), open);
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
  private addCell(
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
    const name = ownName || this.nameOf(place);
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
    const isKept = this.indices.group !== ABSENT && !this.isGathered && this.ended.size < MAX_ENDED;
    if (isKept) this.ended.add(id);
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

function comesBack(id: string, place: Partial<Diagnostic>): Diagnostic {
  return {
    code: 'data/csv-group-again',
    message: `group ${JSON.stringify(id)} appears again after other groups, so a prediction already made for it is incomplete`,
    ...place,
    expected: `rows sorted by group, or files of up to ${MAX_GATHERED_BYTES / 2 ** 20} MiB in total instead of a stream`,
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
