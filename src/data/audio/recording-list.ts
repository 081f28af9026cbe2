/** The recordings of a dataset: what the names of their files or a table say about them. */

import { dirname, relative, resolve, sep } from '../../host/index.js';
import { type Diagnostic, UserError } from '../../util/errors.js';
import { badNumber, cellNumber, missingCell } from '../core/cells.js';
import type { NamedColumn } from '../core/columns.js';
import type { Purpose } from '../core/dataset.js';
import { Problems } from '../core/problems.js';
import { findColumns } from '../csv/columns.js';
import type { Decimal } from '../formats/numbers.js';
import type { Delimiter, RowPlace } from '../formats/table-records.js';
import { readTable } from '../formats/tables.js';
import { attemptField, jsonLines, type RecordLine, textOf } from '../jsonl/records.js';
import type { ByteSource } from '../reading/byte-sources.js';
import { RECORDS_NAME } from '../reading/facts.js';
import { readContent, type SourceFile, shortNames } from '../reading/files.js';
import type { Recording } from './recording.js';

/** What the names of files say, by a pattern such as `{label}_{speaker}_{take}`. */
export class NamePattern {
  readonly fields: readonly string[];
  private readonly expression: RegExp;
  /** Number of parts of a path that the pattern describes. */
  private readonly depth: number;

  constructor(readonly text: string) {
    const parts = text.split(/\{([^{}]+)\}/);
    const texts = parts.filter((_, i) => i % 2 === 0);
    this.fields = parts.filter((_, i) => i % 2 === 1);
    this.depth = text.split('/').length;
    // no name can be read in two ways
    const outside = ['/', ...texts.flatMap(one => one.split('/')).filter(one => one !== '')];
    const field = `((?:(?!${outside.map(literal).join('|')})[^])+)`;
    this.expression = new RegExp(`^${texts.map(literal).join(field)}$`);
  }

  /** Returns the value of each field in the name of `file`; undefined if it has another form. */
  match(file: string): ReadonlyMap<string, string> | undefined {
    const path = resolve(file).split(sep).slice(-this.depth).join('/');
    const found = this.expression.exec(path.replace(/\.\w+(?:\.gz)?$/, ''));
    return found ? new Map(this.fields.map((field, i) => [field, found[i + 1]])) : undefined;
  }
}

function literal(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');
}

/** The recordings of `files`; those with other names are problems. */
export function fileRecordings(
  files: readonly string[],
  pattern: NamePattern | undefined,
  problems: Problems,
): Recording[] {
  const names = shortNames(files);
  return files.flatMap(file => {
    const place = { file };
    const values = fieldsOf(file, pattern, place, problems);
    return values ? [{ file, id: names.get(file) ?? file, place, valueOf: name => values.get(name) }] : [];
  });
}

/** The fields of a name; undefined, with a problem, if it does not match. */
function fieldsOf(
  file: string,
  pattern: NamePattern | undefined,
  place: Partial<Diagnostic>,
  problems: Problems,
): ReadonlyMap<string, string> | undefined {
  const values = pattern ? pattern.match(file) : new Map<string, string>();
  if (values) return values;
  const message = 'the name of the file does not match the pattern';
  problems.add({ code: 'data/audio-name', message, ...place, expected: pattern?.text });
  return undefined;
}

/** A table that lists recordings. */
export interface RecordingTable {
  readonly delimiter?: Delimiter | undefined;
  readonly decimal?: Decimal | undefined;
  /** Its columns: paths of recordings from its folder, and the parts of these to read. */
  readonly path: NamedColumn;
  readonly start: NamedColumn | undefined;
  readonly end: NamedColumn | undefined;
  readonly others: readonly NamedColumn[];
  readonly purpose: Purpose;
  readonly pattern: NamePattern | undefined;
  /** `dataset.path`. */
  readonly trainedOn: string;
}

/** A row of a table, or a record of JSON Lines. */
interface ListedRow {
  readonly row: RowPlace;
  cell(column: NamedColumn): string;
  placeOf(column: NamedColumn): Partial<Diagnostic>;
}

/** A row of a table: a recording, and what is wrong with the row. */
interface ListedRecording {
  readonly recording: Recording;
  readonly problems: readonly Diagnostic[];
}

/** The recordings that a table (CSV, Parquet or JSON Lines) lists, one for each row. */
export async function tabledRecordings(
  source: ByteSource,
  table: RecordingTable,
): Promise<ListedRecording[]> {
  const { path, start, end, others, purpose, delimiter, decimal, pattern } = table;
  const columns = [path, start ?? [], end ?? [], others].flat();
  const found: ListedRecording[] = [];
  const addBroken = (...problems: readonly Diagnostic[]): void => {
    const place = { file: source.name };
    found.push({ recording: { ...place, id: '', place, valueOf: () => undefined }, problems });
  };
  const add = ({ row, cell, placeOf }: ListedRow): void => {
    const problems = new Problems();
    const secondsOf = (column: NamedColumn | undefined): number | undefined => {
      if (column === undefined) return undefined;
      const value = cellNumber(cell(column));
      if (value === undefined) problems.add(badNumber(cell(column), placeOf(column)));
      return value;
    };
    const name = cell(path);
    if (name === '') problems.add(missingCell('', placeOf(path)));
    const file = resolve(dirname(source.name), name);
    const [from, to] = [secondsOf(start), secondsOf(end)];
    const values = fieldsOf(file, pattern, row, problems) ?? new Map();
    const cells = new Map(others.map(column => [column.name, cell(column)]));
    const part = [from, to].filter(value => value !== undefined).join('-');
    const recording: Recording = {
      file,
      id: part === '' ? name : `${name}:${part}`,
      place: row,
      start: from,
      end: to,
      valueOf: column => values.get(column) ?? cells.get(column),
    };
    found.push({ recording, problems: problems.all });
  };
  if (isRecords(source.name, table)) {
    const read = (line: RecordLine): void => {
      const problems = new Problems();
      const texts = new Map(columns.map(({ name }) => [name, attemptField(line, name, problems, textIn)]));
      const placeOf = ({ name }: NamedColumn) => line.place(name);
      if (problems.all.length > 0) addBroken(...problems.all);
      else add({ row: line.place(), cell: ({ name }) => texts.get(name) ?? '', placeOf });
    };
    const lines = jsonLines(source.name, read, addBroken);
    for await (const chunk of source.chunks) lines.push(chunk);
    lines.end();
    return found;
  }
  let indexOf: ReturnType<typeof findColumns> = () => -1;
  const rows = readTable(
    source,
    {
      wanted: columns.map(({ name }) => name),
      header(record) {
        indexOf = findColumns(record, delimiter, columns, purpose);
      },
      ragged: (_, problem) => addBroken(problem),
      add({ fields, row }) {
        const placeOf = ({ name }: NamedColumn) => ({ ...row, columnName: name });
        add({ row, cell: column => fields[indexOf(column)].trim(), placeOf });
      },
    },
    { delimiter, decimal },
  );
  for await (const _ of rows);
  return found;
}

/** A source without an ending, such as a pipe, has the format of the training data. */
function isRecords(name: string, { trainedOn }: RecordingTable): boolean {
  return RECORDS_NAME.test(/\.\w+$/.test(name) ? name : trainedOn);
}

function textIn(value: unknown): string {
  return value === null ? '' : textOf(value).trim();
}

/** The file of a recording; undefined if it cannot be read: a problem of the row that names it. */
export async function contentOf(
  { file, place }: Recording,
  problems: Problems,
): Promise<SourceFile | undefined> {
  const own = new Problems();
  const content = await readable(() => readContent(file), own);
  const nameOf = (path: string) => relative(dirname(place.file), path);
  const located = ({ message, suggestion, ...one }: Diagnostic) => ({
    ...{ ...one, message: `${nameOf(file)}: ${message}`, ...place },
    ...(suggestion !== undefined && { suggestion: nameOf(suggestion) }),
  });
  problems.add(...(place.file === file ? own.all : own.all.map(located)));
  return content;
}

/** What `read` returns; undefined if it throws, and then its problems are added. */
export async function readable<T>(read: () => Promise<T>, problems: Problems): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    problems.add(...error.diagnostics);
    return undefined;
  }
}
