/** Reads one or several files as one table. */
import { basename, resolve, sep } from 'node:path';
import { TextCodes } from '../columns.js';
import { Problems } from '../problems.js';
import { inputFiles } from '../reading/input-files.js';
import { type CsvColumns, type CsvTable, type FileTable, readFile } from './table.js';

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
  const names = recordingNames(files);
  for (const [i, file] of files.entries()) {
    const table = await readFile(file, { columns, codes, problems, recording: names[i] });
    if (table) tables.push(table);
  }
  problems.throwIfAny();
  return tables.length === 1 ? tables[0] : joined(tables);
}

/**
 * The names of the files: the last parts of their paths, as few as keep all of them apart, below
 * the folder that they have in common.
 */
export function recordingNames(files: readonly string[]): readonly string[] {
  const paths = files.map(file => resolve(file).split(sep));
  const longest = Math.max(...paths.map(({ length }) => length));
  const isCommon = (depth: number): boolean =>
    paths.every(path => depth < path.length - 1 && path[depth] === paths[0][depth]);
  let common = 0;
  while (isCommon(common)) common++;
  for (let parts = 1; parts < longest; parts++) {
    const names = paths.map(path => path.slice(Math.max(common, path.length - parts)).join('/'));
    if (new Set(names).size === names.length) return names;
  }
  return files;
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
      return `${basename(table.sources[0].name)}:${table.rowNumber(own)}`;
    },
    place: (row, column, target) => {
      const [table, own] = find(row);
      return table.place(own, column, target);
    },
  };
}
