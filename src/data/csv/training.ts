/** Reads the files of a table to train on. */

import { readTable } from '../formats/tables.js';
import { oneChunk } from '../reading/byte-sources.js';
import { TABLE_NAME } from '../reading/facts.js';
import { inputFiles, MAX_TEXT_BYTES, readContent, type SourceFile } from '../reading/files.js';
import type { TableColumns } from './columns.js';
import { TableReader } from './table.js';

export type TrainingTable = Awaited<ReturnType<typeof readTrainingTable>>;

/** Reads the files that `path` matches, as one table. */
export async function readTrainingTable(path: string, columns: Omit<TableColumns, 'purpose'>) {
  const files = await inputFiles(path, TABLE_NAME);
  const reader = new TableReader({ ...columns, purpose: 'train' }, files, true);
  const sources: Pick<SourceFile, 'name' | 'sha256'>[] = [];
  for (const file of files) {
    const { bytes, sha256 } = await readContent(file, MAX_TEXT_BYTES);
    for await (const _ of reader.read(oneChunk(file, bytes), readTable));
    sources.push({ name: file, sha256 });
  }
  reader.throwIfAny();
  const lists = reader.lists();
  reader.throwIfAny();
  return { sources, reader, rows: reader.rows, lists };
}
