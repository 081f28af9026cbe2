/**
 * Trains runs without the command line: to the end, resumed, stopped at a step, or once for many
 * tests.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadExperiment } from '../../src/config/index.js';
import { RunDirectory } from '../../src/run/directory.js';
import { writtenDigests } from '../../src/run/integrity.js';
import type { RunObserver, RunResult } from '../../src/train/recorder.js';
import {
  type ResumeOptions,
  type RunOptions,
  resumeExperiment,
  runExperiment,
} from '../../src/train/resume.js';
import { RandomStream } from '../../src/util/random.js';
import { computeInThreads } from '../../src/util/thread.js';
import { floats, integers, npz, type Workplace } from './cli.js';

export type Trained = Partial<RunOptions> & { readonly observer?: Partial<RunObserver> };

/** Trains `config` on webasm, in a new output folder by default. */
export function train(
  work: Workplace,
  config: object,
  { observer, ...options }: Trained = {},
): Promise<RunResult> {
  const all: RunOptions = {
    backend: 'webasm',
    threads: 1,
    output: work.folder(),
    commandLine: [],
    started: new Date(),
    signal: new AbortController().signal,
    ...options,
  };
  const loaded = loadExperiment(work.config(config));
  return withThreads(all.threads, () => runExperiment(loaded, all, { ...silentObserver, ...observer }));
}

export function resume(
  path: string,
  options: Partial<ResumeOptions> = {},
  observer: Partial<RunObserver> = {},
): Promise<RunResult> {
  const all: ResumeOptions = {
    backend: undefined,
    threads: 1,
    set: [],
    allowChange: [],
    strict: false,
    started: new Date(),
    signal: new AbortController().signal,
    ...options,
  };
  return withThreads(all.threads, () => resumeExperiment(path, all, { ...silentObserver, ...observer }));
}

export function trainUntil(work: Workplace, config: object, step: number): Promise<RunResult> {
  return train(work, config, stopAt(step));
}

/** Options that stop a run after `step`. */
export function stopAt(step: number): { signal: AbortSignal; observer: Partial<RunObserver> } {
  const stop = new AbortController();
  const observer: Partial<RunObserver> = {
    step: made => {
      if (made.step === step) stop.abort();
    },
  };
  return { signal: stop.signal, observer };
}

/**
 * Writes the digests in the files of the run in `directory` anew, after a test has changed some, as
 * if the run had written them so.
 */
export function seal(directory: string): void {
  const run = RunDirectory.open(directory);
  const { manifest, log, summary } = run.files;
  const change = (file: string, by: (value: { digests: Record<string, unknown> }) => object) => {
    if (!existsSync(file)) return;
    const value = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...value, digests: by(value) }));
  };
  change(manifest, ({ digests }) =>
    Object.fromEntries(Object.entries(digests).map(([name, was]) => [name, run.digestOf(name) ?? was])),
  );
  const lines = existsSync(log) ? readFileSync(log, 'utf8').split(/(?<=\n)/) : [];
  const before = lines.slice(0, -1).join('');
  const sha256 = createHash('sha256').update(before).digest('hex');
  change(summary, () => ({ log: { records: lines.length - 1, sha256 }, files: writtenDigests(run) }));
  const end = lines.at(-1)?.replace(/("summary_sha256":")\w+/, `$1${run.digestOf('summary.json')}`);
  if (end !== undefined) writeFileSync(log, before + end);
}

/** Returns a function that trains on its first call and returns a new copy of the run each time. */
export function copies(work: Workplace, train: () => Promise<RunResult>): () => Promise<string> {
  let trained: Promise<RunResult> | undefined;
  return async () => {
    trained ??= train();
    const { summary } = await trained;
    const copy = join(work.folder(), 'copy');
    cpSync(summary.directory, copy, { recursive: true, preserveTimestamps: true });
    return copy;
  };
}

/**
 * Uses compute threads only if there are several: results with one are byte-identical to none, and
 * it takes long to start.
 */
async function withThreads<T>(threads: number | undefined, action: () => Promise<T>): Promise<T> {
  const before = computeInThreads(threads === undefined || threads > 1);
  try {
    return await action();
  } finally {
    computeInThreads(before);
  }
}

export const silentObserver: RunObserver = {
  begin: () => {},
  step: () => {},
  evaluating: () => {},
  evaluated: () => {},
  saved: () => {},
  warning: () => {},
};

/** Random sequences of 5 steps with 3 features in 4 classes, determined by `stream` and `seed`. */
export function randomSequences(stream: string, count: number, seed: number) {
  const random = RandomStream.of(seed, stream);
  const x = Array.from({ length: count * 15 }, () => random.uniform() - 0.5);
  const y = Array.from({ length: count }, () => random.integer(4));
  return { x: floats([count, 5, 3], x), y: integers([count], y) };
}

/** An npz file with a training and a test split of random sequences. */
export function randomDataset(
  stream: string,
  { train, test, seed }: { train: number; test: number; seed: number },
): Uint8Array {
  const [first, second] = [randomSequences(stream, train, seed), randomSequences(stream, test, seed + 1)];
  return npz({ ...first, x_test: second.x, y_test: second.y });
}

/**
 * A config that trains for some seconds, with a checkpoint after each epoch.
 * @param data file with a `randomDataset`
 */
export function longerConfig(data: string, epochs: number) {
  return {
    version: 1,
    name: 'queued',
    dataset: { kind: 'npz', path: data },
    model: { cell: 'lstm', hidden_size: 16, num_layers: 2, head: { from: 'last' } },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.01 },
    training: { num_epochs: epochs, batch_size: 32, log_every: 1 },
    checkpoint: { every: 'epoch', keep: { last: 1, best: 1 }, metric: 'test.accuracy' },
  };
}
