/** Holds the files of a sweep to its journal: the runs of its trials and the results. */
import { basename, relative, sep } from 'node:path';
import { RunDirectory } from '../run/directory.js';
import { isAbsent, readText } from '../run/files.js';
import type { Json } from '../run/json.js';
import { versions } from '../run/manifest.js';
import { type Diagnostic, UserError } from '../util/errors.js';
import type { SweepDirectory } from './directory.js';
import { bestYaml, type SweepResults, summaryOf } from './results.js';
import { formatTable, fullTable } from './table.js';
import { bestRow, type SweepRecords, sweepCautions } from './trials.js';

/** The runs that have a result in the journal, but no directory. */
export function missingRuns(directory: SweepDirectory, { rows }: Pick<SweepRecords, 'rows'>): Diagnostic[] {
  return rows.flatMap(({ trial, seeds }) =>
    seeds.flatMap(({ seed }) => {
      const file = directory.runPath({ trial, seed });
      if (RunDirectory.isOne(file)) return [];
      const message = `the run of trial ${trial}, seed ${seed} is missing, but the journal has its result`;
      return [{ code: 'sweep/run-missing', message, file }];
    }),
  );
}

/** How the files of the sweep contradict its journal, one sentence each. */
export function contradictionsOf(results: SweepResults): string[] {
  const { directory, records } = results;
  const missing = missingRuns(directory, records).map(
    ({ message, file = '' }) => `${message}: ${relative(directory.path, file)}`,
  );
  return [...missing, ...otherResults(results)];
}

/**
 * Results that differ from those that the journal yields. They are written once the sweep has
 * ended; another version may write others.
 */
function otherResults(results: SweepResults): string[] {
  const { directory, plan, records, state, journal } = results;
  const start = journal.find(({ event }) => event === 'sweep.start');
  const last = journal.findLast(({ event }) => event === 'sweep.start' || event === 'sweep.resume');
  const isOfThisVersion = last !== undefined && 'version' in last && last.version === versions().cellrun;
  if (!isOfThisVersion || (state !== 'completed' && state !== 'failed')) return [];
  // the directory may have been renamed since the sweep began, before or after its results
  const ids = [directory.id, ...(start && 'id' in start ? [start.id] : [])];
  const row = bestRow(plan, records);
  const cautions = sweepCautions(plan, records.rows);
  return [
    ...other(directory.files.summary, text => differentFrom(text, results, ids)),
    ...other(directory.files.table, text => text === formatTable(fullTable(plan, records.rows), 'csv')),
    ...other(
      directory.files.best,
      text => row !== undefined && ids.some(id => text === bestYaml(plan, directory, row, { cautions, id })),
    ),
  ];
}

/** @param judge returns whether the content is right, or which part of it is not */
function other(file: string, judge: (text: string) => boolean | string): string[] {
  if (isAbsent(file)) return [];
  const name = basename(file);
  try {
    const verdict = judge(readText(file, { follow: false }));
    if (verdict === true) return [];
    const where = verdict === false ? '' : ` in \`${verdict}\``;
    return [`${name} does not match the journal${where}; \`sweep resume\` writes it again`];
  } catch (error) {
    if (error instanceof UserError) return [`${name} cannot be compared with the journal: ${error.message}`];
    if (error instanceof SyntaxError) return [`${name} is not JSON; \`sweep resume\` writes it again`];
    throw error;
  }
}

/** The first value of a `summary.json` that is wrong; true if there is none. */
function differentFrom(text: string, results: SweepResults, ids: readonly string[]): true | string {
  const { path } = results.directory;
  const { directory: before } = JSON.parse(text) as { readonly directory?: unknown };
  const moved = (value: unknown) =>
    typeof value === 'string' && typeof before === 'string' && `${value}${sep}`.startsWith(`${before}${sep}`)
      ? `${path}${value.slice(before.length)}`
      : value;
  const found = JSON.parse(text, (_, value) => moved(value)) as { readonly sweep_id?: string };
  const expected = JSON.parse(JSON.stringify(summaryOf(results)));
  if (found.sweep_id !== undefined && ids.includes(found.sweep_id)) expected.sweep_id = found.sweep_id;
  return difference(found as Json, expected) ?? true;
}

/** Path of the first value that differs, in the order of `expected`; undefined if all are equal. */
function difference(found: Json | undefined, expected: Json | undefined, at = ''): string | undefined {
  const isNested = [found, expected].every(value => typeof value === 'object' && value !== null);
  if (!isNested) return found === expected ? undefined : at;
  const [a, b] = [found, expected] as Readonly<Record<string, Json>>[];
  for (const key of new Set([...Object.keys(b), ...Object.keys(a)])) {
    const where = difference(a[key], b[key], at === '' ? key : `${at}.${key}`);
    if (where !== undefined) return where;
  }
  return undefined;
}
