/** Reads the files of a table to train on. */

import { readTable } from '../formats/tables.js';
import { TrainingFile } from '../reading/byte-sources.js';
import { TABLE_NAME } from '../reading/facts.js';
import { inputFiles } from '../reading/files.js';
import type { TableColumns } from './columns.js';
import { TableReader } from './table.js';

export type TrainingTable = Awaited<ReturnType<typeof readTrainingTable>>;

/** Reads the files that `path` matches, as one table. */
export async function readTrainingTable(path: string, columns: Omit<TableColumns, 'purpose'>) {
  const files = await inputFiles(path, TABLE_NAME);
  const sources = files.map(file => new TrainingFile(file));
  const reader = new TableReader({ ...columns, purpose: 'train' }, sources, true);
  for await (const _ of reader.read(readTable));
  reader.throwIfAny();
  const lists = reader.lists();
  reader.throwIfAny();
  return { sources, reader, rows: reader.rows, lists };
}
