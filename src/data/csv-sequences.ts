/**
 * Reads sequences to predict from tables, row by row. As in training, the rows of a group form a
 * sequence, sorted by the order column; without a grouping column, each row is a sequence. The
 * target column and all other columns are ignored.
 */
import { type Diagnostic, EXIT, UserError } from '../util/errors.js';
import type { DataRecord, SequenceReader } from './core/pipeline.js';
import type { CsvConfig } from './csv.js';
import { MAX_GATHERED_BYTES, RowReader } from './csv-input-rows.js';
import { readTable } from './formats/tables.js';
import { beginning, type InputSource, inTurn } from './reading/byte-sources.js';
import { shortNames } from './reading/short-names.js';
import { symbolReader } from './vocabulary.js';

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
