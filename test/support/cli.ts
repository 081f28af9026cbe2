/**
 * Runs the program in a temporary folder, and reads its output and files.
 *
 *     const work = new Workplace();
 *     t.teardown(() => work.remove());
 *     // in this process
 *     const { code, stdout, stderr } = await work.cellrun('validate', work.config(config));
 *     const run = await work.train(config, '--backend', 'cpu'); // run.summary, run.events, ...
 *     // in a separate process, for signals, kills and concurrent programs
 *     const { child, said, logged, finished } = work.start('run', path);
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zipSync } from 'fflate';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { type Checkpoint, loadCheckpoint, resolveCheckpoint } from '../../src/run/checkpoints.js';
import { callInProcess, main, type Place } from './in-process.js';
import { temporaryFolder } from './temporary-folder.js';

export interface Finished {
  /** The exit code; null if a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** Resolves once stderr contains `text`; rejects if the process ends without it. */
  said(text: string): Promise<void>;
  /**
   * Resolves once the only run under `output` has logged `step` or a later step; rejects if the
   * process ends before.
   */
  logged(step: number, output: string): Promise<void>;
  readonly finished: Promise<Finished>;
}

/** What a config has unless a test sets it; a test about one of these keys sets its own value. */
const CONFIG_DEFAULTS = {
  version: 1,
  name: 'small',
  loss: { kind: 'cross_entropy' },
  optimizer: { kind: 'adam', learning_rate: 0.01 },
};

/** A temporary folder for the programs that a test starts. */
export class Workplace {
  readonly path = temporaryFolder();
  private made = 0;
  private readonly started: ChildProcess[] = [];

  /** Where the program runs. It gets only PATH from the environment of the tests. */
  get place(): Place {
    return { cwd: this.path, env: { PATH: process.env.PATH, HOME: this.path } };
  }

  /** Removes the folder and ends the programs that a failed test has left running. */
  remove(): void {
    for (const child of this.started) child.kill('SIGKILL');
    rmSync(this.path, { recursive: true, force: true });
  }

  folder(): string {
    this.made += 1;
    const path = join(this.path, String(this.made));
    mkdirSync(path);
    return path;
  }

  file(name: string, content: string | Uint8Array): string {
    const path = join(this.folder(), name);
    writeFileSync(path, content);
    return path;
  }

  /** Writes a config and `CONFIG_DEFAULTS` as JSON, which is YAML, and returns its path. */
  config(content: object): string {
    const all = { ...content, ...CONFIG_DEFAULTS, ...content };
    return this.file('config.yaml', JSON.stringify(all, null, 2));
  }

  /** Writes the file of a sweep, of a grid by default, and returns its path. */
  sweep(content: object): string {
    const all = { version: 1, name: 'small', method: 'grid', ...content };
    return this.file('sweep.yaml', JSON.stringify(all));
  }

  start(...args: string[]): Running {
    return this.startWith([], args);
  }

  /**
   * Starts the program on Node with `nodeFlags`, and with `env` besides the usual variables, which
   * its own processes inherit.
   */
  startWith(nodeFlags: readonly string[], args: readonly string[], env: Place['env'] = {}): Running {
    const place = { ...this.place, env: { ...this.place.env, ...env } };
    const child = spawn(process.execPath, [...nodeFlags, main, ...args], { ...place, stdio: 'pipe' });
    this.started.push(child);
    const text = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', chunk => {
      text.stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', chunk => {
      text.stderr += chunk;
    });
    const finished = new Promise<Finished>((resolve, reject) => {
      child.on('error', reject).on('close', code => resolve({ code, ...text }));
    });
    const said = (wanted: string) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (text.stderr.includes(wanted)) resolve();
        };
        child.stderr.on('data', look);
        finished.then(() => reject(new Error(`never said '${wanted}':\n${text.stderr}`)), reject);
        look();
      });
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    finished.then(over, over);
    const logged = async (step: number, output: string): Promise<void> => {
      while (latestStep(output) < step) {
        if (isOver) throw new Error(`never logged step ${step}:\n${text.stderr}`);
        await sleep(5);
      }
    };
    return { child, said, logged, finished };
  }

  /** Runs the program to its end in this process. Concurrent calls run one after another. */
  cellrun(...args: string[]): Promise<Finished> {
    return callInProcess(args, this.place);
  }

  /** A new folder with these files, by their paths in it. */
  files(files: Readonly<Record<string, Buffer | string>>): string {
    const path = this.folder();
    for (const [name, bytes] of Object.entries(files)) {
      mkdirSync(join(path, name, '..'), { recursive: true });
      writeFileSync(join(path, name), bytes);
    }
    return path;
  }

  /** `run CONFIG --json` with a new output folder. */
  async train(config: object, ...flags: string[]): Promise<TrainedRun> {
    const output = this.folder();
    const finished = await this.cellrun('run', this.config(config), '--json', '--output', output, ...flags);
    return new TrainedRun(finished, output);
  }
}

/** The latest step in the log of the only run under `output`; -1 if there is none. */
function latestStep(output: string): number {
  const names = existsSync(output) ? readdirSync(output, { recursive: true, encoding: 'utf8' }) : [];
  const logs = names.filter(name => basename(name) === 'log.jsonl');
  if (logs.length > 1) throw new Error(`${logs.length} runs in ${output}`);
  const text = logs.map(name => readFileSync(join(output, name), 'utf8')).join('');
  // the last line may be incomplete
  const step = text
    .split('\n')
    .slice(0, -1)
    .findLast(line => line.includes('"event":"train.step"'));
  return step === undefined ? -1 : Number(JSON.parse(step).step);
}

/** The path of the only member of a folder. */
export function onlyIn(...folder: readonly string[]): string {
  const names = readdirSync(join(...folder));
  if (names.length !== 1) throw new Error(`${names.length} members of ${join(...folder)}`);
  return join(...folder, names[0]);
}

/** The values of a text of JSON Lines, such as `predict --format jsonl` prints. */
export const jsonLines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));

export interface LogLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface RunSummary {
  readonly run_id: string;
  readonly status: string;
  readonly exit_code: number;
  readonly message?: string;
  readonly directory: string;
  readonly backend: string;
  readonly executor: string;
  readonly steps: number;
  readonly epochs: number;
  readonly parameters: number;
  readonly metrics: Readonly<Record<'train' | 'test', Readonly<Record<string, number>>>>;
  readonly baselines: Readonly<Record<'test', Readonly<Record<string, Readonly<Record<string, number>>>>>>;
  readonly best: { readonly metric: string; readonly value: number; readonly step: number } | null;
  readonly gates: readonly { readonly metric: string; readonly verdict: string }[];
  readonly checkpoints: { readonly last: string | null; readonly best: string | null };
}

/** A run that has ended, read back from the program's output and its directory. */
export class TrainedRun {
  constructor(
    readonly finished: Finished,
    readonly output: string,
  ) {}

  get code(): number | null {
    return this.finished.code;
  }

  get summary(): RunSummary {
    if (this.finished.stdout === '') throw new Error(`no summary: ${this.finished.stderr}`);
    return JSON.parse(this.finished.stdout);
  }

  get directory(): string {
    return this.summary.directory;
  }

  get events(): LogLine[] {
    return readLog(this.directory);
  }

  checkpoint(which: 'last' | 'best' | number = 'last'): Checkpoint {
    return loadCheckpoint(resolveCheckpoint(join(this.directory, 'checkpoints'), which));
  }

  bytes(which: 'last' | 'best' | number = 'last'): Buffer {
    return readFileSync(resolveCheckpoint(join(this.directory, 'checkpoints'), which));
  }
}

/** The events of a run directory. Throws if a line is not valid or `seq` has a gap. */
export function readLog(directory: string): LogLine[] {
  const text = readFileSync(join(directory, 'log.jsonl'), 'utf8');
  if (!text.endsWith('\n')) throw new Error('the last line of the log is cut off');
  return text
    .slice(0, -1)
    .split('\n')
    .map((line, i) => {
      const event = JSON.parse(line);
      const errors = validateAgainst('log-event', event);
      if (errors.length > 0) throw new Error(`${errors[0].instancePath} ${errors[0].message}: ${line}`);
      if (event.seq !== i) throw new Error(`line ${i} has seq ${event.seq}`);
      return event;
    });
}

export type NpyContent =
  | { readonly descr: '<f4'; readonly shape: readonly number[]; readonly values: Float32Array }
  | { readonly descr: '<i8'; readonly shape: readonly number[]; readonly values: BigInt64Array }
  | { readonly descr: '<U1'; readonly shape: readonly number[]; readonly values: Uint32Array };

/** Values of an array in C order, or the function from the index of one to it. */
type ArrayValues = Iterable<number> | ((index: number) => number);

function listed(shape: readonly number[], values: ArrayValues): number[] {
  const length = shape.reduce((product, size) => product * size, 1);
  return typeof values === 'function' ? Array.from({ length }, (_, i) => values(i)) : [...values];
}

export function floats(shape: readonly number[], values: ArrayValues): NpyContent {
  return { descr: '<f4', shape, values: Float32Array.from(listed(shape, values)) };
}

export function integers(shape: readonly number[], values: ArrayValues): NpyContent {
  return { descr: '<i8', shape, values: BigInt64Array.from(listed(shape, values).map(BigInt)) };
}

/**
 * A NumPy archive of `arrays`: version 1 of the .npy format (NumPy Enhancement Proposal 1),
 * uncompressed.
 */
export function npz(arrays: Readonly<Record<string, NpyContent>>): Uint8Array {
  const members = Object.entries(arrays).map(([name, content]) => [`${name}.npy`, npy(content)]);
  return zipSync(Object.fromEntries(members), { level: 0 });
}

function npy({ descr, shape, values }: NpyContent): Uint8Array {
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const text = `${dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11)}\n`;
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(text.length, 8);
  return Buffer.concat([
    head,
    Buffer.from(text, 'latin1'),
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  ]);
}
