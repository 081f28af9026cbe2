/** Refusals of tables with the lines of Python that make one for `init`. */

import { TABLE_NAME } from '../../data/formats/tables.js';
import type { UserError } from '../../util/errors.js';
import { programName, quoted } from '../command/command-line.js';
import { HintedError } from '../terminal/diagnostics.js';
import type { FileColumns } from './columns.js';

const python = JSON.stringify;

/** @param made the table that the script writes, and further words of the command to use it */
export function withScript(
  error: UserError,
  title: string,
  script: readonly string[],
  made: readonly string[],
): HintedError {
  const lines = ['import pandas as pd', ...script].map(line => `    ${line}\n`).join('');
  const next = [programName(process.argv, process.env), 'init', '--from', ...made.map(quoted)].join(' ');
  return new HintedError(error, `\n${title}, for example in Python:\n\n${lines}\nThen: ${next}\n`);
}

/** The name of a table that is made of another one, or of a folder. */
export function nameOfMade(path: string, what: string): string {
  return `${path.replace(/[\\/]+$/, '').replace(TABLE_NAME, '')}-${what}.csv`;
}

/** Reads a table in Python. @param options of `read_csv` */
export function reading(
  file: string,
  { delimiter, format }: Pick<FileColumns, 'delimiter' | 'format'>,
  ...options: readonly string[]
): string {
  if (format === 'jsonl') return `pd.read_json(${file}, lines=True)`;
  if (format === 'parquet') return `pd.read_parquet(${file})`;
  const separator = delimiter === ',' ? [] : [`sep=${python(delimiter)}`];
  return `pd.read_csv(${[file, ...separator, ...options].join(', ')})`;
}
