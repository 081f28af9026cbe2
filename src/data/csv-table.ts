/**
 * Reads the columns of a table that a config names, as numbers and label codes, with the position
 * of each row.
 */
import { type Diagnostic, damagedError } from '../util/errors.js';
import type { TextLevel } from './core/dataset.js';
import { Problems } from './core/problems.js';
import { GrowingList, TextCodes } from './core/values.js';
import {
  ABSENT,
  badNumber,
  CHANGE_COMMAS,
  COMMA_NUMBER,
  cellNumber,
  findColumns,
  isMissing,
  isWord,
  missingCell,
  type NamedColumn,
} from './csv-columns.js';
import type { Delimiter } from './formats/csv-records.js';
import { type CellPlace, rowName, TableFile, type TableRecord } from './formats/tables.js';
import { readContent, type SourceFile } from './reading/files.js';
import { inputFiles, shortNames } from './reading/input-files.js';
import { MAX_TEXT_BYTES } from './reading/limits.js';
import { symbolsOf } from './vocabulary.js';

export interface CsvColumns {
  /** Default: a comma. */
  readonly delimiter?: Delimiter | undefined;
  readonly features: readonly NamedColumn[];
  /** Codes of the feature cells if they are symbols; absent if they are numbers. */
  readonly symbols?: TextCodes | undefined;
  /** Set if the only feature is a column of texts, to be split into symbols. */
  readonly level?: TextLevel | undefined;
  /** More than one only for `value`. */
  readonly targets: readonly NamedColumn[];
  readonly targetKind: 'class' | 'value';
  /** True to keep features in float64, for scaling before they are rounded to float32. */
  readonly keepsFloat64?: boolean;
  /** True if the rows of a file are one group. */
  readonly perFile?: boolean;
  readonly group?: NamedColumn;
  readonly order?: NamedColumn;
  readonly id?: NamedColumn;
}

/** The rows of a table without their features, which take most memory. */
export interface TableRows {
  /** The files, in the order of their rows. */
  readonly sources: readonly Pick<SourceFile, 'name' | 'sha256'>[];
  readonly rows: number;
  /** Present if features are texts: those of row r are from `starts[r]` to `starts[r + 1]`. */
  readonly texts?: { readonly starts: readonly number[] };
  /** `[rows, targets]`: numbers in float64, or codes of the class labels in `labels`. */
  readonly targets: readonly number[];
  readonly targetNames: readonly string[];
  /** Distinct class labels, in the order of their first row; empty for numeric targets. */
  readonly labels: readonly string[];
  /** Group code of each row, numbered by first occurrence; absent without a grouping column. */
  readonly groups?: readonly number[];
  readonly groupNames: readonly string[];
  /** True if each group is a file. */
  readonly perFile: boolean;
  /** Cells of the order column; absent without one. */
  readonly order?: readonly string[];
  /** Cells of the id column, which may be empty; absent without one. */
  readonly ids?: readonly string[];
  /**
   * Name of a row by its position: `line 5`, or `row 5` in a file without lines; `b.csv:5` if there
   * are several files.
   */
  rowName(row: number): string;
  /** Position of a cell in row `row`. @param target index of the target column */
  place(row: number, column: 'target' | 'order', target?: number): CellPlace;
}

export interface CsvTable extends TableRows {
  /** `[rows, F]`, or the symbols of all texts; float64 if the columns ask for it. */
  readonly features: Float32Array | Float64Array;
}

interface ColumnIndices {
  readonly features: readonly number[];
  readonly targets: readonly number[];
  readonly group: number;
  readonly order: number;
  readonly id: number;
}

/** Maximum number of invalid cells to report per column. */
const MAX_CELLS = 20;

/** Fewer non-numeric cells than this are treated as typos. */
const MIN_WORDS = 3;

/** Shared by the files of a table. */
export interface ReaderContext {
  readonly columns: CsvColumns;
  /** Codes of the class labels and of the groups. */
  readonly codes: { readonly labels: TextCodes; readonly groups: TextCodes };
  readonly problems: Problems;
  /** Name of the file as a group. */
  readonly recording: string;
}

/** The table of one file. */
export interface FileTable extends CsvTable {
  /** Line of a row, or its number in a file without lines. */
  rowNumber(row: number): number;
}

/**
 * Reads the named columns of a file; undefined if there are problems.
 * @throws UserError (exit 2) if the file or a column is missing
 * @throws UserError (exit 5) if the file is damaged, has no rows or too many problems
 */
export async function readFile(path: string, context: ReaderContext): Promise<FileTable | undefined> {
  const { columns, problems } = context;
  const source = await readContent(path, MAX_TEXT_BYTES);
  const file = new TableFile(source.name, source.bytes, columns.delimiter);
  const reader = new TableReader(source, file, context);
  await file.scan(reader, problems);
  reader.reportCells();
  if (problems.full) problems.throwIfAny();
  return problems.all.length > 0 ? undefined : reader.table();
}

/** Problem: a table has column names only. */
export function noRows(file: string): Diagnostic {
  return { code: 'data/csv-empty', message: 'the file has a header but no rows', file };
}

interface BadCell {
  readonly text: string;
  /** Position of its row, for {@link TableFile.place}. */
  readonly start: number;
  readonly column: number;
  describe(text: string, place: CellPlace): Diagnostic;
}

/** Invalid cells of one column. */
interface BadCells {
  readonly first: BadCell[];
  /** Number of cells with text instead of a number. */
  words: number;
}

class TableReader {
  private indices: ColumnIndices = { features: [], targets: [], group: ABSENT, order: ABSENT, id: ABSENT };
  private readonly features: GrowingList<Float32Array | Float64Array>;
  private readonly textStarts: number[] = [0];
  private readonly targets: number[] = [];
  private readonly groups: number[] = [];
  /** Code of the group that all rows belong to. */
  private readonly fileGroup: number;
  private readonly order: string[] = [];
  private readonly ids: string[] = [];
  private readonly columns: CsvColumns;
  private readonly codes: ReaderContext['codes'];
  private readonly problems: Problems;
  private readonly starts: number[] = [];
  /** Invalid cells by column index. */
  private readonly badCells = new Map<number, BadCells>();

  constructor(
    private readonly source: SourceFile,
    private readonly file: TableFile,
    { columns, codes, problems, recording }: ReaderContext,
  ) {
    this.columns = columns;
    this.fileGroup = columns.perFile ? codes.groups.code(recording) : ABSENT;
    this.codes = codes;
    this.problems = problems;
    this.features = new GrowingList(length =>
      columns.keepsFloat64 ? new Float64Array(length) : new Float32Array(length),
    );
  }

  get wanted(): readonly string[] {
    return this.named.map(({ name }) => name);
  }

  private get named(): readonly NamedColumn[] {
    const { features, targets, group, order, id } = this.columns;
    return [...features, ...targets, group, order, id].filter(column => column !== undefined);
  }

  header(record: TableRecord): void {
    const { features, targets, group, order, id, delimiter } = this.columns;
    const indexOf = findColumns(record, delimiter, this.named, 'train');
    this.indices = {
      features: features.map(indexOf),
      targets: targets.map(indexOf),
      group: indexOf(group),
      order: indexOf(order),
      id: indexOf(id),
    };
  }

  add({ fields, at: start }: TableRecord): void {
    const { features, targets, group, order, id } = this.indices;
    this.starts.push(start);
    if (this.columns.level !== undefined) this.symbolsOf(fields[features[0]], start, features[0]);
    else
      for (const column of features) {
        const read = this.columns.symbols ? this.symbol : this.number;
        this.features.push(read.call(this, fields[column], start, column));
      }
    for (const target of targets) {
      const isValue = this.columns.targetKind === 'value';
      const read = isValue ? this.number : this.label;
      this.targets.push(read.call(this, fields[target], start, target));
    }
    if (this.fileGroup !== ABSENT) this.groups.push(this.fileGroup);
    if (group !== ABSENT) this.groups.push(this.codes.groups.code(this.text(fields[group], start, group)));
    if (order !== ABSENT) this.order.push(this.text(fields[order], start, order));
    if (id !== ABSENT) this.ids.push(fields[id].trim());
  }

  table(): FileTable {
    const { source, file, starts, indices } = this;
    if (starts.length === 0) {
      throw damagedError(noRows(source.name));
    }
    let numbers: Uint32Array | undefined;
    const rowNumber = (row: number): number => {
      numbers ??= file.rowNumbers(starts);
      return numbers[row];
    };
    return {
      sources: [source],
      rows: starts.length,
      features: this.features.toArray(),
      ...(this.columns.level !== undefined && { texts: { starts: this.textStarts } }),
      targets: this.targets,
      targetNames: this.columns.targets.map(({ name }) => name),
      labels: this.codes.labels.texts,
      groups: this.groups.length === 0 ? undefined : this.groups,
      groupNames: this.codes.groups.texts,
      perFile: this.columns.perFile === true,
      order: indices.order === ABSENT ? undefined : this.order,
      ids: indices.id === ABSENT ? undefined : this.ids,
      rowNumber,
      rowName: row => rowName(file.isParquet ? { row: rowNumber(row) } : { line: rowNumber(row) }),
      place: (row, column, target = 0) => {
        const index = column === 'order' ? indices.order : indices.targets[target];
        return file.place(starts[row], index);
      },
    };
  }

  /** Returns the code of a symbol, which may be any non-empty text. */
  private symbol(cell: string, start: number, column: number): number {
    const text = cell.trim();
    if (text === '') this.complain({ text, start, column, describe: missingCell });
    return this.columns.symbols?.code(text) ?? 0;
  }

  /** Appends the codes of a text's symbols. */
  private symbolsOf(cell: string, start: number, column: number): void {
    const { level = 'character', symbols } = this.columns;
    const text = cell.trim();
    for (const symbol of symbolsOf(text, level)) this.features.push(symbols?.code(symbol) ?? 0);
    if (text === '') this.complain({ text, start, column, describe: missingCell });
    this.textStarts.push(this.features.size);
  }

  private number(cell: string, start: number, column: number): number {
    const value = cellNumber(cell);
    if (value !== undefined) return value;
    this.complain({ text: cell.trim(), start, column, describe: badNumber });
    return 0;
  }

  private label(cell: string, start: number, column: number): number {
    const text = this.text(cell, start, column);
    return this.codes.labels.code(this.file.isBoolean(column) ? String(text === '1') : text);
  }

  private text(cell: string, start: number, column: number): string {
    const text = cell.trim();
    if (isMissing(text)) this.complain({ text, start, column, describe: missingCell });
    return text;
  }

  /** Collected until the end, when it is known whether the whole column is the wrong one. */
  private complain(cell: BadCell): void {
    const { column, text, describe } = cell;
    const found = this.badCells.get(column) ?? { first: [], words: 0 };
    this.badCells.set(column, found);
    if (found.first.length < MAX_CELLS) found.first.push(cell);
    if (describe === badNumber && isWord(text)) found.words++;
  }

  /**
   * Reports invalid cells in the order of the file; a column of text is reported once. Positions
   * are computed only for reported cells: a wide row may have thousands of invalid ones, and each
   * position requires a scan of the file.
   */
  reportCells(): void {
    const told = [...this.badCells].flatMap(([column, { first, words }]) =>
      words >= MIN_WORDS && 2 * words > this.starts.length ? [this.wordColumn(column, first, words)] : first,
    );
    for (const { text, start, column, describe } of told.toSorted(
      (a, b) => a.start - b.start || a.column - b.column,
    )) {
      if (this.problems.full) return;
      this.problems.add(describe(text, this.file.place(start, column)));
    }
  }

  private wordColumn(column: number, cells: readonly BadCell[], words: number): BadCell {
    const { indices, columns, starts } = this;
    const first = cells.find(({ text }) => isWord(text)) ?? cells[0];
    return {
      ...first,
      describe(text, place) {
        const feature = indices.features.indexOf(column);
        const { name } =
          feature < 0 ? columns.targets[indices.targets.indexOf(column)] : columns.features[feature];
        const problem = badNumber(text, place);
        if (COMMA_NUMBER.test(text)) {
          const message = `the numbers in column ${JSON.stringify(name)} have commas`;
          return { ...problem, message, expected: `${problem.expected} (${CHANGE_COMMAS})` };
        }
        return {
          ...problem,
          message: `column ${JSON.stringify(name)} contains text: ${words} of ${starts.length} cells are not numbers`,
          expected:
            feature < 0 && columns.targets.length === 1
              ? 'numbers, or `target_kind: class`'
              : 'a column of numbers',
        };
      },
    };
  }
}

/**
 * Reads the named columns of the files that `path` matches, as one table.
 * @throws UserError (exit 2) if a file or a column is missing
 * @throws UserError (exit 5) if rows are invalid, with all of them
 */
export async function readCsvTable(path: string, columns: CsvColumns): Promise<CsvTable> {
  const codes = { labels: new TextCodes(), groups: new TextCodes() };
  const problems = new Problems();
  const tables: FileTable[] = [];
  const files = await inputFiles(path);
  const names = shortNames(files);
  for (const [i, file] of files.entries()) {
    const table = await readFile(file, { columns, codes, problems, recording: names[i] });
    if (table) tables.push(table);
  }
  problems.throwIfAny();
  return tables.length === 1 ? tables[0] : joined(tables);
}

/** Concatenates the rows of several files, whose codes are shared. */
function joined(tables: readonly FileTable[]): CsvTable {
  const [first] = tables;
  const firstRows: number[] = [];
  const firstSymbols: number[] = [];
  let [rows, symbols] = [0, 0];
  for (const table of tables) {
    firstRows.push(rows);
    firstSymbols.push(symbols);
    rows += table.rows;
    symbols += table.features.length;
  }
  const features =
    first.features instanceof Float64Array ? new Float64Array(symbols) : new Float32Array(symbols);
  tables.forEach((table, i) => void features.set(table.features, firstSymbols[i]));
  const names = shortNames(tables.map(({ sources }) => sources[0].name));
  const find = (row: number): readonly [FileTable, number] => {
    const at = firstRows.findLastIndex(start => start <= row);
    return [tables[at], row - firstRows[at]];
  };
  const all = <T>(of: (table: FileTable) => readonly T[]): T[] => tables.flatMap(of);
  return {
    ...first,
    sources: all(({ sources }) => sources),
    rows,
    features,
    ...(first.texts && {
      texts: {
        starts: [
          0,
          ...tables.flatMap(({ texts }, i) => texts?.starts.slice(1).map(at => at + firstSymbols[i]) ?? []),
        ],
      },
    }),
    targets: all(({ targets }) => targets),
    groups: first.groups && all(({ groups = [] }) => groups),
    order: first.order && all(({ order = [] }) => order),
    ids: first.ids && all(({ ids = [] }) => ids),
    rowName: row => {
      const [table, own] = find(row);
      return `${names[tables.indexOf(table)]}:${table.rowNumber(own)}`;
    },
    place: (row, column, target) => {
      const [table, own] = find(row);
      return table.place(own, column, target);
    },
  };
}
