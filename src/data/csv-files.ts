/** Reads one or several files as one table. */
import { TextCodes } from './core/columns.js';
import { Problems } from './core/problems.js';
import { type CsvColumns, type CsvTable, type FileTable, readFile } from './csv-table.js';
import { inputFiles } from './reading/input-files.js';
import { shortNames } from './reading/short-names.js';

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
