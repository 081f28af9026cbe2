/** Runs for tests of reviews, changed copies of them, and their reviews. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Reviewed, type ReviewOptions, reviewRuns } from '../../src/judge/review.js';
import type { Summary } from '../../src/run/summary.js';
import { UserError } from '../../src/util/errors.js';
import type { Workplace } from './cli.js';
import { forgetSummary } from './runs.js';
import { longerConfig, randomDataset } from './small-run.js';

/** The first gate fails, the others pass. */
const GATES = [
  { metric: 'test.accuracy', min: 0.99 },
  { metric: 'test.loss', over: 'best', max: 100 },
  { metric: 'test.loss', over: 'seeds', max: 100 },
];

export interface SmallRuns {
  /** The folder of the config and the output root. */
  readonly folder: string;
  readonly config: string;
  /** The folder of the runs. */
  readonly experiment: string;
  /** Directories of three runs that differ only in their seed, in order of seeds. */
  readonly runs: readonly string[];
}

export async function trainSmallRuns(work: Workplace): Promise<SmallRuns> {
  const folder = work.folder();
  writeFileSync(join(folder, 'data.npz'), randomDataset('review', { train: 64, test: 32, seed: 1 }));
  const config = join(folder, 'small.yaml');
  const content = { ...longerConfig('data.npz', 2), name: 'small', gates: GATES };
  writeFileSync(config, JSON.stringify(content, null, 2));
  const output = join(folder, 'experiments');
  const runs: string[] = [];
  for (const seed of [0, 1, 2]) {
    const flags = ['--set', `seed=${seed}`, '--backend', 'webasm', '--json', '--quiet', '--output', output];
    const { code, stdout, stderr } = await work.cellrun('run', config, ...flags);
    if (code !== 3) throw new Error(stderr);
    runs.push((JSON.parse(stdout) as Summary).directory);
  }
  return { folder, config, experiment: join(output, 'small'), runs };
}

export const judge = (paths: readonly string[], options: Partial<ReviewOptions> = {}): Reviewed =>
  reviewRuns(paths, { gates: [], ...options });

type Change = (summary: Record<string, unknown>, directory: string) => void;

/** Returns a function that copies a run below `work` and changes the files of the copy. */
export function copierInto(work: Workplace): (run: string, change?: Change) => string {
  return (run, change = () => {}) => {
    const directory = join(work.folder(), basename(run));
    cpSync(run, directory, { recursive: true });
    const file = join(directory, 'summary.json');
    const summary = JSON.parse(readFileSync(file, 'utf8'));
    change(summary, directory);
    if (!existsSync(file)) return directory;
    writeFileSync(file, JSON.stringify(summary));
    if (existsSync(join(directory, 'log.jsonl'))) forgetSummary(directory);
    return directory;
  };
}

/**
 * Changes log and summary of the run in `directory` as if it had these test metrics.
 */
export function reach(
  test: { readonly loss: number; readonly accuracy: number },
  summary: Record<string, unknown>,
  directory: string,
): void {
  summary.metrics = { ...(summary.metrics as Summary['metrics']), test };
  const file = join(directory, 'log.jsonl');
  const lines = readFileSync(file, 'utf8').split('\n');
  const logged = lines.map(line =>
    /"event":"eval","split":"test"/.test(line) ? JSON.stringify({ ...JSON.parse(line), ...test }) : line,
  );
  writeFileSync(file, logged.join('\n'));
  agree(summary, directory);
}

/**
 * Makes the files of the run in `directory` agree after a change of its log or summary: removes the
 * weights, updates the digest of the log and leaves out those of other files.
 */
export function agree(summary: Record<string, unknown>, directory: string): void {
  for (const name of ['checkpoints', 'evaluation.json'])
    rmSync(join(directory, name), { recursive: true, force: true });
  const lines = readFileSync(join(directory, 'log.jsonl'), 'utf8').split(/(?<=\n)/);
  const told = lines.slice(
    0,
    lines.findLastIndex(line => line.includes('"event":"run.end"')),
  );
  const sha256 = createHash('sha256').update(told.join('')).digest('hex');
  summary.digests = { log: { records: told.length, sha256 }, evaluation: null };
}

/** Changes the run in `directory` as if it had recorded no verdict of its gates. */
export function withoutVerdicts(summary: Record<string, unknown>, directory: string): void {
  Object.assign(summary, { gates: [], exit_code: 0 });
  const file = join(directory, 'log.jsonl');
  const lines = readFileSync(file, 'utf8').split(/(?<=\n)/);
  const left = lines.filter(line => !line.includes('"event":"gate"'));
  writeFileSync(file, left.join('').replace(/("event":"run\.end".*"exit_code":)\d+/, '$10'));
  agree(summary, directory);
}

/** Changes the run in `directory` as if its config had no gates. */
export function withoutGates(summary: Record<string, unknown>, directory: string): void {
  const file = join(directory, 'config.resolved.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, `${text.slice(0, text.indexOf('\ngates:'))}\ngates: []\n`);
  withoutVerdicts(summary, directory);
}

export function failure(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
