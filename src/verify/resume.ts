/**
 * Checks on this machine that runs of a config survive SIGKILL: they are killed during training,
 * saving and logging, resumed, and compared byte by byte with an uninterrupted run.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Summary } from '../run/summary.js';
import { EXIT, UserError } from '../util/errors.js';
import { RandomStream } from '../util/random.js';
import { counted } from '../util/words.js';
import { compareRuns, type Difference, type FileDigest, resultDigests } from './compare-runs.js';
import { makeOutputFolder, type VerifyOptions, type Written, writeResults } from './results.js';

export interface VerifyResumeOptions extends VerifyOptions {
  /** The command that starts this program. */
  readonly program: Program;
  /** Flags of the runs, such as `--set` and `--backend`. */
  readonly flags: readonly string[];
  /** Total number of kills over all runs. */
  readonly kills: number;
  /** Seed of the moments. */
  readonly seed: number;
  /** Aborted to give up the results. */
  readonly stop?: AbortSignal;
}

export interface KilledRunResults {
  /** The last step in the log at each SIGKILL; -1 before the first. */
  readonly killed_after: readonly number[];
  /** Differences from the uninterrupted run. */
  readonly differences: readonly Difference[];
}

export interface ResumeResults {
  readonly version: 1;
  readonly what: 'resume';
  readonly time: string;
  readonly config: string;
  readonly config_hash: string;
  readonly seed: number;
  /** Optimizer steps of each run. */
  readonly steps: number;
  readonly kills: number;
  readonly runs: readonly KilledRunResults[];
  /** Result files of the uninterrupted run. */
  readonly files: readonly FileDigest[];
  readonly identical: boolean;
}

export interface Verified extends Written<ResumeResults> {
  /** Folder of the kept runs; undefined if nothing differed and they were deleted. */
  readonly kept: string | undefined;
}

/** Maximum kills of one run; further ones go to another run. */
const MAX_KILLS = 3;
/** Logs every step, so that the step at each kill is known. */
const LOG_EVERY_STEP = ['--set', 'training.log_every=1'];

/**
 * Runs the results and writes it. Keeps the runs only if they differ.
 * @throws UserError (exit 1, 2, 4 or 5) with its error messages if a run fails
 * @throws UserError (exit 130) if `stop` is aborted
 */
export async function verifyResume(options: VerifyResumeOptions): Promise<Verified> {
  makeOutputFolder(options.output);
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-verify-'));
  let isKept = false;
  try {
    const results = await check(options, folder);
    isKept = !results.identical;
    return { results, file: writeResults(options, results), kept: isKept ? folder : undefined };
  } finally {
    if (!isKept) rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes the runs under `folder`. */
async function check(options: VerifyResumeOptions, folder: string): Promise<ResumeResults> {
  const { config, flags, program, seed, started, note, stop } = options;
  const args = ['run', config, ...flags, ...LOG_EVERY_STEP];
  const straight = await finish(program, [...args, '--output', join(folder, 'straight')], stop);
  note(`not killed: ${counted(straight.steps, 'step')}`);
  const random = RandomStream.of(seed, 'verify/resume');
  const runs: KilledRunResults[] = [];
  for (let left = options.kills; left > 0; ) {
    const moments = killMoments(random, straight, Math.min(left, MAX_KILLS));
    const killed = await runAndKill(program, args, join(folder, `killed-${runs.length + 1}`), moments, {
      stop,
    });
    const differences = compareRuns(straight.directory, killed.directory);
    runs.push({ killed_after: killed.killedAfter, differences });
    note(
      `killed after ${stepsInWords(killed.killedAfter)}: ${differences.length === 0 ? 'identical' : 'DIFFERENT'}`,
    );
    left -= moments.length;
  }
  return {
    version: 1,
    what: 'resume',
    time: started.toISOString(),
    config,
    config_hash: straight.config_hash,
    seed,
    steps: straight.steps,
    kills: runs.reduce((total, run) => total + run.killed_after.length, 0),
    runs,
    files: resultDigests(straight.directory),
    identical: runs.every(({ differences }) => differences.length === 0),
  };
}

/** Random steps and random moments within them: while a step is computed, saved or logged. */
function killMoments(random: RandomStream, { steps, ms_per_step }: Summary, count: number): KillMoment[] {
  const moments = Array.from({ length: count }, () => ({
    step: random.integer(steps),
    delay: random.uniform() * (ms_per_step ?? 0),
  }));
  return moments.sort((a, b) => a.step - b.step);
}

function stepsInWords(steps: readonly number[]): string {
  if (steps.length === 0) return 'its end';
  return `step ${steps.map(step => Math.max(0, step)).join(', ')}`;
}

/** An executable and its first arguments. */
export type Program = readonly [executable: string, ...first: readonly string[]];

export interface KillMoment {
  /** Wait until this step is in the log, */
  readonly step: number;
  /** then for this many milliseconds. */
  readonly delay: number;
}

export interface KilledRun {
  /** The run directory. */
  readonly directory: string;
  /** The last step in the log at each kill; fewer than requested if the run was done before. */
  readonly killedAfter: readonly number[];
  /** The summary of the completed run. */
  readonly summary: Summary;
}

/** Aborted to kill the running program and start no other. */
export type Stop = AbortSignal;

const QUIET = ['--json', '--quiet'];
/** Interval between checks of the log. */
const POLL_MS = 1;

/** True if the run completed; a missed gate counts as completed. */
export function isDone({ code }: Pick<Outcome, 'code'>): boolean {
  return code === EXIT.done || code === EXIT.gate;
}

/**
 * Starts a run that writes under `output`, kills it at each of `moments` in turn, resumes it and
 * lets it finish.
 * @throws UserError (exit 1, 2, 4 or 5) with its error messages if the run fails
 * @throws UserError (exit 130) if `stop` is aborted
 */
export async function runAndKill(
  program: Program,
  args: readonly string[],
  output: string,
  moments: readonly KillMoment[],
  { resumeFlags = [], stop }: { readonly resumeFlags?: readonly string[]; readonly stop?: Stop } = {},
): Promise<KilledRun> {
  const killedAfter: number[] = [];
  let directory: string | undefined;
  const next = () =>
    directory === undefined ? [...args, '--output', output] : ['resume', directory, ...resumeFlags];
  for (const { step, delay } of moments) {
    const running = startRun(program, next(), stop);
    if (await cameTo(running, () => lastStep(runUnder(output)) >= step))
      await Promise.race([sleep(delay), running.ended]);
    running.child.kill('SIGKILL');
    const outcome = await running.ended;
    throwIfStopped(stop);
    directory ??= runUnder(output);
    if (outcome.signal !== 'SIGKILL') {
      if (!isDone(outcome)) throw failed(outcome);
      break;
    }
    killedAfter.push(lastStep(directory));
  }
  const summary = await finish(program, next(), stop);
  return { directory: directory ?? summary.directory, killedAfter, summary };
}

/**
 * Runs the program to its end and returns the summary that it prints.
 * @throws UserError (exit 1, 2, 4 or 5) with its error messages if it fails
 * @throws UserError (exit 130) if `stop` is aborted
 */
export async function finish(program: Program, args: readonly string[], stop?: Stop): Promise<Summary> {
  const outcome = await startRun(program, args, stop).ended;
  throwIfStopped(stop);
  if (!isDone(outcome)) throw failed(outcome);
  return JSON.parse(outcome.stdout) as Summary;
}

export interface RunningProgram {
  readonly child: ChildProcess;
  readonly ended: Promise<Outcome>;
}

export interface Outcome {
  /** Null if a signal ended the process. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `run` or `resume` with only the summary on stdout. */
export function startRun(
  [executable, ...first]: Program,
  args: readonly string[],
  stop?: Stop,
): RunningProgram {
  const child = spawn(executable, [...first, ...args, ...QUIET], { stdio: ['ignore', 'pipe', 'pipe'] });
  const end = () => child.kill('SIGKILL');
  if (stop?.aborted) end();
  stop?.addEventListener('abort', end);
  child.on('close', () => stop?.removeEventListener('abort', end));
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
    });
  }
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject).on('close', (code, signal) => resolve({ code, signal, ...text }));
  });
  return { child, ended };
}

/** Returns true if `condition` became true while the program was running. */
export async function cameTo({ child }: RunningProgram, condition: () => boolean): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    if (condition()) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/** The one run directory `<output>/<name>/<id>`; undefined before there is one. */
export function runUnder(output: string): string | undefined {
  const [name] = existsSync(output) ? readdirSync(output) : [];
  const [id] = name === undefined ? [] : readdirSync(join(output, name));
  return id === undefined ? undefined : join(output, name, id);
}

/** Enough for several log lines. */
const TAIL_BYTES = 4096;

/** The step of the last `train.step` record; -1 if there is none. */
function lastStep(run: string | undefined): number {
  const path = run === undefined ? undefined : join(run, 'log.jsonl');
  if (path === undefined || !existsSync(path)) return -1;
  const tail = Buffer.alloc(TAIL_BYTES);
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const read = readSync(file, tail, 0, TAIL_BYTES, Math.max(0, size - TAIL_BYTES));
    const steps = [...tail.toString('utf8', 0, read).matchAll(/"event":"train\.step".*?"step":(\d+)/g)];
    return Number(steps.at(-1)?.[1] ?? -1);
  } finally {
    closeSync(file);
  }
}

function failed({ code, stderr }: Outcome): UserError {
  const exitCode =
    code === EXIT.usage || code === EXIT.damaged || code === EXIT.diverged ? code : EXIT.unexpected;
  return new UserError(exitCode, [
    {
      code: 'verify/run-failed',
      message: `a run of this config failed with exit code ${code}: ${oneLine(stderr)}`,
    },
  ]);
}

/** Joins the lines of a program's error output, without indentation. */
function oneLine(text: string): string {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .join('; ');
}

function throwIfStopped(stop: Stop | undefined): void {
  if (!stop?.aborted) return;
  throw new UserError(EXIT.interrupted, [
    { code: 'verify/interrupted', message: 'interrupted: nothing was checked or kept' },
  ]);
}
