/**
 * Compares the results in two run directories: checkpoints and evaluation byte by byte, metrics,
 * and the records of the logs without times.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Summary } from '../run/summary.js';

export interface Difference {
  /** A file of the run directory. */
  readonly file: string;
  readonly what: string;
}

export interface FileDigest {
  readonly file: string;
  readonly sha256: string;
}

/** Written by the latest evaluation. */
const EVALUATION = 'evaluation.json';

/** Differences of the run directory `actual` from `expected`; empty if the results are equal. */
export function compareRuns(expected: string, actual: string): Difference[] {
  return [
    ...compareBytes(expected, actual),
    ...compareSummaries(expected, actual),
    ...compareLogs(expected, actual),
  ];
}

/**
 * Digests of every file in `checkpoints/`, by name, and of the evaluation: these must be
 * byte-identical.
 */
export function resultDigests(run: string): FileDigest[] {
  const folder = join(run, 'checkpoints');
  const checkpoints = existsSync(folder) ? readdirSync(folder).sort() : [];
  const files = [...checkpoints.map(name => `checkpoints/${name}`), EVALUATION];
  return files
    .filter(file => existsSync(join(run, file)))
    .map(file => ({
      file,
      sha256: createHash('sha256')
        .update(readFileSync(join(run, file)))
        .digest('hex'),
    }));
}

function compareBytes(expected: string, actual: string): Difference[] {
  const [then, now] = [expected, actual].map(
    run => new Map(resultDigests(run).map(({ file, sha256 }) => [file, sha256])),
  );
  const files = [...new Set([...then.keys(), ...now.keys()])].sort();
  return files.flatMap(file => {
    if (!now.has(file)) return [{ file, what: 'is missing' }];
    if (!then.has(file)) return [{ file, what: 'is one too many' }];
    return then.get(file) === now.get(file) ? [] : [{ file, what: 'has other bytes' }];
  });
}

/** Fields of a summary about the training, without times. */
const COMPARED = [
  'status',
  'exit_code',
  'config_hash',
  'steps',
  'epochs',
  'metrics',
  'restored',
  'stopped_early',
  'best',
  'gates',
  'checkpoints',
] as const;

function compareSummaries(expected: string, actual: string): Difference[] {
  const [then, now] = [expected, actual].map(
    run => JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8')) as Summary,
  );
  return COMPARED.filter(key => JSON.stringify(then[key]) !== JSON.stringify(now[key])).map(key => ({
    file: 'summary.json',
    what: `${key} is ${JSON.stringify(now[key])}, not ${JSON.stringify(then[key])}`,
  }));
}

const TIMES = new Set([
  'time',
  'seq',
  'duration_s',
  'samples_per_s',
  'ms_per_step',
  'calibration_ms',
  'step_ratio',
  // the summary has times
  'summary_sha256',
  'run_id',
]);

function compareLogs(expected: string, actual: string): Difference[] {
  const file = 'log.jsonl';
  const [then, now] = [expected, actual].map(run => readSeries(join(run, file)));
  const torn = now.findIndex(({ seq }, i) => seq !== i);
  if (torn >= 0) return [{ file, what: `line ${torn + 1} has seq ${now[torn].seq}, not ${torn}` }];
  const [before, after] = [then, now].map(lines =>
    lines.filter(line => !recordsStop(line)).map(withoutTimes),
  );
  const at = before.findIndex((line, i) => line !== after[i]);
  if (at >= 0) return [{ file, what: `record ${at + 1} is ${after[at] ?? 'missing'}, not ${before[at]}` }];
  return after.length > before.length ? [{ file, what: `${after[before.length]} is one too many` }] : [];
}

type Line = Readonly<Record<string, unknown>>;

function readSeries(path: string): Line[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map(line => JSON.parse(line) as Line);
}

/** True for records that only a stopped run has. */
function recordsStop({ event, temporary }: Line): boolean {
  return event === 'run.resume' || temporary === true;
}

function withoutTimes(line: Line): string {
  return JSON.stringify(Object.entries(line).filter(([key]) => !TIMES.has(key)));
}
