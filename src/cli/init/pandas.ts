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

/**
 * Adds the pandas code after which the names of each level are unique, and the last one groups the
 * rows.
 * @param levels names that start again in each value of the one before
 * @param group the name for those of the last level, which replace them if it is theirs
 * @param more words of the command for the new table
 */
export function withJoined(
  error: UserError,
  path: string,
  table: Pick<FileColumns, 'delimiter' | 'format'>,
  { levels, group, more }: Joined,
): HintedError {
  const made = nameOfMade(path, 'joined');
  const script = [
    `rows = ${reading(python(path), table, 'dtype=str', 'keep_default_na=False')}`,
    ...levels.slice(1).map((name, i) => {
      const [outer, inner] = [levels[i], name].map(one => `rows[${python(one)}].astype(str)`);
      const joined = i === levels.length - 2 ? group : name;
      return `rows[${python(joined)}] = ${outer} + "-" + ${inner}`;
    }),
    `rows.to_csv(${python(made)}, index=False)`,
  ];
  return withScript(error, 'Join the columns', script, [made, '--group', group, ...more]);
}

interface Joined {
  readonly levels: readonly string[];
  readonly group: string;
  readonly more: readonly string[];
}
