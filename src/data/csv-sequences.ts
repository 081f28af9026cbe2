/**
 * Reads sequences to predict from tables, row by row. As in training, the rows of a group form a
 * sequence, sorted by the order column; without a grouping column, each row is a sequence. The
 * target column and all other columns are ignored.
 */
import { type Diagnostic, EXIT, UserError } from '../util/errors.js';
import type { DataRecord, SequenceReader } from './core/pipeline.js';
import type { CsvConfig } from './csv.js';
import { MAX_GATHERED_BYTES, RowReader, type TableRecord } from './csv-input-rows.js';
import { CsvPieces } from './formats/csv-pieces.js';
import type { Delimiter } from './formats/csv-records.js';
import { isParquet, ParquetFile } from './formats/parquet.js';
import { parquetRows } from './formats/tables.js';
import { allBytes, type ByteSource, beginning, type InputSource, inTurn } from './reading/byte-sources.js';
import { MAX_TEXT_BYTES } from './reading/limits.js';
import { shortNames } from './reading/short-names.js';
import { symbolReader } from './vocabulary.js';

/** Bytes that tell the format of a table. */
const MAGIC_BYTES = 4;

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
