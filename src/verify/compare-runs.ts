/**
 * Compares the results in two run directories: checkpoints and evaluation byte by byte, metrics,
 * and the records of the logs without times.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOfFile } from '../run/files.js';
import type { Summary } from '../run/summary.js';

export interface Difference {
  readonly file: string;
  readonly what: string;
}

/** Differences of the run directory `actual` from `expected`; empty if the results are equal. */
export function compareRuns(expected: string, actual: string): Difference[] {
  const [then, now] = [expected, actual].map(
    run => new Map(resultDigests(run).map(({ file, sha256 }) => [file, sha256])),
  );
  const files = [...new Set([...then.keys(), ...now.keys()])].sort();
  const inBytes = files.flatMap(file => {
    if (!now.has(file)) return [{ file, what: 'is missing' }];
    if (!then.has(file)) return [{ file, what: 'is one too many' }];
    return then.get(file) === now.get(file) ? [] : [{ file, what: 'has other bytes' }];
  });
  return [...inBytes, ...compareSummaries(expected, actual), ...compareLogs(expected, actual)];
}

/** Digests of the checkpoints and the latest evaluation, which must be byte-identical. */
export function resultDigests(run: string): { readonly file: string; readonly sha256: string }[] {
  const folder = join(run, 'checkpoints');
  const checkpoints = existsSync(folder) ? readdirSync(folder).sort() : [];
  const files = [...checkpoints.map(name => `checkpoints/${name}`), 'evaluation.json'];
  return files
    .filter(file => existsSync(join(run, file)))
    .map(file => ({ file, sha256: digestOfFile(join(run, file)) }));
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

type Line = Readonly<Record<string, unknown>>;

function compareLogs(expected: string, actual: string): Difference[] {
  const file = 'log.jsonl';
  const [then, now] = [expected, actual].map(run =>
    readFileSync(join(run, file), 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Line),
  );
  const torn = now.findIndex(({ seq }, i) => seq !== i);
  if (torn >= 0) return [{ file, what: `line ${torn + 1} has seq ${now[torn].seq}, not ${torn}` }];
  // only a stopped run has records of its stop
  const [before, after] = [then, now].map(lines =>
    lines.filter(({ event, temporary }) => event !== 'run.resume' && temporary !== true).map(withoutTimes),
  );
  const length = Math.max(before.length, after.length);
  const at = Array.from({ length }, (_, i) => i).find(i => before[i] !== after[i]);
  const what = (at = 0) => `record ${at + 1} is ${after[at] ?? 'missing'}, not ${before[at] ?? 'missing'}`;
  return at === undefined ? [] : [{ file, what: what(at) }];
}

function withoutTimes(line: Line): string {
  return JSON.stringify(Object.entries(line).filter(([key]) => !TIMES.has(key)));
}
