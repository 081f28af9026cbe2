/** Runs for tests of reviews, changed copies of them, and their reviews. */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Review } from '../../src/judge/judging/document.js';
import { type Reviewed, type ReviewOptions, reviewRuns } from '../../src/judge/judging/review.js';
import type { Summary } from '../../src/run/summary.js';
import type { Block } from '../../src/view/blocks.js';
import { reviewDocument } from '../../src/view/review-document.js';
import type { Workplace } from './cli.js';
import { longerConfig, randomDataset, seal } from './runs.js';

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

/** A review as a document without curves. */
export const documentOf = (review: Review): readonly Block[] => reviewDocument({ review, curves: [] });

type Change = (summary: Record<string, unknown>, directory: string) => void;

/**
 * Returns a function that copies a run below `work` and changes the files of the copy.
 * @param finish makes the digests match by default
 */
export function copierInto(work: Workplace, finish = seal): (run: string, change?: Change) => string {
  return (run, change = () => {}) => {
    const directory = join(work.folder(), basename(run));
    cpSync(run, directory, { recursive: true });
    const file = join(directory, 'summary.json');
    const before = readFileSync(file, 'utf8');
    const summary = JSON.parse(before);
    change(summary, directory);
    if (!existsSync(file)) return directory;
    if (JSON.stringify(summary) !== JSON.stringify(JSON.parse(before)))
      writeFileSync(file, JSON.stringify(summary));
    finish(directory);
    return directory;
  };
}

/** Changes log and summary of the run in `directory` as if it had these test metrics. */
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
}

/** Changes the run in `directory` as if it had recorded no verdict of its gates. */
function withoutVerdicts(summary: Record<string, unknown>, directory: string): void {
  Object.assign(summary, { gates: [], exit_code: 0 });
  const file = join(directory, 'log.jsonl');
  const lines = readFileSync(file, 'utf8').split(/(?<=\n)/);
  const left = lines.filter(line => !line.includes('"event":"gate"'));
  writeFileSync(file, left.join('').replace(/("event":"run\.end".*"exit_code":)\d+/, '$10'));
}

/** Changes the run in `directory` as if its config had no gates. */
export function withoutGates(summary: Record<string, unknown>, directory: string): void {
  const file = join(directory, 'config.resolved.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, `${text.slice(0, text.indexOf('\ngates:'))}\ngates: []\n`);
  withoutVerdicts(summary, directory);
}
