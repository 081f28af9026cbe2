/** Tables that say what recordings are, which are in files or in a table of their own. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, relative } from 'node:path';
import { TABLE_NAME } from '../data/reading/facts.js';
import { folderOf } from '../data/reading/files.js';
import { caught, damagedError, UserError, usageError } from '../util/errors.js';
import { quoted } from '../util/words.js';
import { type Column, type Columns, type FileColumns, readColumns, readFile } from './columns.js';
import { layoutOf } from './layout.js';
import { isTarget, USUAL } from './names.js';
import type { Choice } from './readings.js';
import { firstOf, readNames } from './recording-names.js';

/** Larger tables, and further ones, are not looked at. */
const MAX_LABELS_BYTES = 2 ** 22;
const MAX_TABLES = 50;
const python = JSON.stringify;

/** A table with a row for each recording. */
interface LabelTable extends FileColumns {
  /** The column that names the recordings. */
  readonly key: string;
  readonly label: string;
  /** True if it names all recordings. */
  readonly isWhole: boolean;
}

interface Recordings {
  /** A folder of tables, or a table. */
  readonly path: string;
  readonly table: Columns;
  /** Files of other splits. */
  readonly others: readonly string[];
}

/**
 * Refuses recordings whose labels are in another table, unless they have a target of their own: a
 * model of one of their features would be useless.
 */
export async function refuseLabelsApart(recordings: Recordings, choice: Choice): Promise<void> {
  const error = await labelsApart(recordings, choice);
  if (error) throw error;
  const { odd, columns } = recordings.table;
  if (odd)
    throw damagedError('init/folder', 'this file has other columns than the other files of its folder', {
      file: odd.path,
      expected: columns.map(({ name }) => name).join(', '),
      got: odd.names.join(', '),
    });
}

/** @param candidates tables that may have the labels. Default: those in the folder or beside it */
async function labelsApart(
  recordings: Recordings,
  choice: Choice,
  candidates?: readonly FileColumns[],
): Promise<UserError | undefined> {
  const { path, table, others } = recordings;
  const { columns, odd } = table;
  const { group, order } = layoutOf(table, choice, path);
  const isTold = choice.target !== undefined || choice.as === 'series';
  const hasTarget = columns.some(
    ({ name }) => isTarget(name) || (order?.isDate && USUAL.forecast.test(name)),
  );
  if (isTold || hasTarget) return undefined;
  const column = group ?? columns.find(({ name, cells }) => USUAL.group.test(name) && isUnique(cells));
  const namings = table.files
    ? namingsOf(path, table.files)
    : column
      ? [new Set(column.cells.filter(column.isValue))]
      : [];
  const known = new Set(columns.map(({ name }) => name));
  const tables = candidates ?? (odd ? [odd] : namings.length > 0 ? await tablesBeside(path, others) : []);
  const found = tables.flatMap(fileColumns => labelsIn(fileColumns, namings, known) ?? []);
  return found.length > 0 ? apart(recordings, found, column) : undefined;
}

/** How a table may name the recordings: with and without folder and ending. */
function namingsOf(path: string, { cells }: Column): ReadonlySet<string>[] {
  const files = [...new Set(cells)];
  const stems = files.map(file => file.slice(0, file.length - extname(file).length));
  const within = [stems, files].map(names => names.map(name => `${basename(path)}/${name}`));
  return [stems, files, ...within].map(names => new Set(names));
}

function isUnique(cells: readonly string[]): boolean {
  return new Set(cells).size === cells.length;
}

/** The small tables in the folder of `path`. */
export async function tablesBeside(path: string, others: readonly string[]): Promise<FileColumns[]> {
  const folder = around(path);
  const files = readdirSync(folder)
    .filter(name => TABLE_NAME.test(name))
    .map(name => join(folder, name))
    .filter(file => relative(file, path) !== '' && !others.some(other => relative(file, other) === ''))
    .filter(file => {
      const info = statSync(file, { throwIfNoEntry: false });
      return info?.isFile() && info.size <= MAX_LABELS_BYTES;
    });
  const tables: FileColumns[] = [];
  for (const file of files.slice(0, MAX_TABLES))
    try {
      tables.push(await readFile(file));
    } catch (error) {
      // what is no table has no labels
      if (!(error instanceof UserError)) throw error;
    }
  return tables;
}

/** @param known columns that the recordings have themselves */
function labelsIn(
  table: FileColumns,
  namings: readonly ReadonlySet<string>[],
  known: ReadonlySet<string>,
): LabelTable | undefined {
  const { names, cells, format, columnNames } = table;
  if (columnNames || (format !== 'csv' && format !== 'parquet')) return undefined;
  for (const [i, key] of names.entries()) {
    const countOf = (one: ReadonlySet<string>) => cells[i].filter(cell => one.has(cell)).length;
    const naming = namings.find(
      candidates =>
        isUnique(cells[i]) && 2 * countOf(candidates) >= Math.max(candidates.size, cells[i].length),
    );
    const labels = names.filter((name, k) => k !== i && !known.has(name) && new Set(cells[k]).size > 1);
    const label = labels.find(isTarget) ?? labels.at(-1);
    if (naming && label !== undefined)
      return { ...table, key, label, isWhole: countOf(naming) === naming.size };
  }
  return undefined;
}

/** @param found tables with labels; if only one has all recordings, it is preferred */
function apart(
  { path, table }: Recordings,
  found: readonly LabelTable[],
  column: Column | undefined,
): UserError {
  const whole = found.filter(({ isWhole }) => isWhole);
  const likely = whole.length > 0 ? whole : found;
  const others = found
    .filter(labelTable => !likely.includes(labelTable))
    .map(labelTable => relative('', labelTable.path));
  const [{ key, label, ...labels }] = likely;
  const file = relative('', labels.path);
  const target =
    table.columns.findLast(candidate => candidate.isNumber && candidate !== column)?.name ?? 'COLUMN';
  const named = table.files ? 'names these files' : `has the values of ${column?.name}`;
  const all = others.length > 0 ? `; ${others.join(', ')}: only some of them` : '';
  const message =
    likely.length === 1
      ? `the target seems to be in another table: ${label} of ${file}, whose column ${key} ${named}${all}`
      : `the target may be in several tables: ${likely.map(labelTable => `${labelTable.label} of ${relative('', labelTable.path)}`).join(', ')}`;
  const group = table.files ? key : column?.name;
  const on = group === key ? `on=${python(key)}` : `left_on=${python(group)}, right_on=${python(key)}`;
  const rows = table.files ? `the rows of all files, with their ${key},` : 'its rows';
  const options = ['--group', group ?? key, '--target', label].map(quoted).join(' ');
  return usageError('init/labels', message, {
    file: path,
    expected: `one table of ${rows} and the ${label} of ${file} (\`pd.merge(rows, labels, ${on})\` of pandas), with ${options}; or --target ${quoted(target)} or the like to predict a column of this one`,
  });
}

/** Refuses a table of the names and labels of recordings: nothing can be learned from names. */
export async function refuseNames({ path, table }: Recordings, choice: Choice): Promise<void> {
  const named =
    table.files || choice.as !== undefined
      ? undefined
      : filesNamedIn(
          table.columns.filter(({ cells }) => isUnique(cells)),
          path,
        );
  if (named === undefined) return;
  const { folder, message } = named;
  const expected = '--as rows to learn from the other columns of this table';
  throw (await mergedWith(path, folder)) ?? usageError('init/labels', message, { file: path, expected });
}

/** The refusal of the tables in a folder whose labels are in `path`; undefined without any. */
async function mergedWith(path: string, folder: string): Promise<UserError | undefined> {
  if (!namesIn(folder).some(name => TABLE_NAME.test(name))) return undefined;
  try {
    const table = await readColumns(folder, { others: [] });
    return await labelsApart({ path: folder, table, others: [] }, {}, [await readFile(path)]);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Finds a column with names of files beside a table, with or without folder and ending. */
export function filesNamedIn(
  columns: readonly Column[],
  path: string,
): { readonly folder: string; readonly message: string } | undefined {
  const beside = readdirSync(around(path), { withFileTypes: true });
  const folders = beside.flatMap(entry =>
    entry.isDirectory() && !entry.name.startsWith('.') ? [entry.name] : [],
  );
  const others = beside.flatMap(entry =>
    entry.isFile() && entry.name !== basename(path) ? [entry.name] : [],
  );
  const words = columns.filter(({ isNumber, isTime, distinct }) => !isNumber && !isTime && distinct > 1);
  for (const folder of words.length > 0 ? ['', ...folders] : []) {
    const files = folder === '' ? others : namesIn(join(around(path), folder));
    const names = new Set(
      files
        .flatMap(file => [file, file.replace(/(\.\w+)(\.gz)?$/, '')])
        .flatMap(file => [file, `${folder}/${file}`]),
    );
    const found = words.find(({ cells, isValue }) => cells.every(cell => names.has(cell) || !isValue(cell)));
    if (found) {
      const message = `${found.name} names files${folder && ` in ${folder}`}, which are not read: a label of recordings has to be a column of them, or a part of the names of WAV files`;
      return { folder: join(around(path), folder), message };
    }
  }
  return undefined;
}

/** Says that the names of the files of a folder have labels, as those of WAV files may. */
export function labelsInNames({ columns, files }: Columns, folder: string): string | undefined {
  const read = files && caught(() => readNames([...new Set(files.cells)], folder));
  if (read === undefined || read instanceof UserError) return undefined;
  const [label, speaker] = ['label', 'speaker'].map(
    role => new Set(read.fields.find(({ name }) => name === role)?.values),
  );
  const isColumn = columns.some(({ cells }) => cells.some(cell => label.has(cell)));
  if (label.size < 2 || isColumn) return undefined;
  const also = speaker.size > 0 ? `, and who was recorded (${firstOf([...speaker])}),` : '';
  return `the names of the files seem to have a label (${firstOf([...label])})${also} but only those of WAV files are read: make it a column of each file, or of one table of all rows`;
}

/** The folder of a table or folder, or that in which a pattern begins. */
function around(path: string): string {
  return existsSync(path) ? dirname(path) : folderOf(path);
}

/** Empty for a folder that cannot be read. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
