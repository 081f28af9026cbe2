/**
 * Runs of this very program in processes of their own, ended by SIGKILL at chosen moments and
 * resumed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Summary } from '../experiment/summary.js';
import { EXIT, UserError } from '../util/errors.js';

/** An executable and its first arguments. */
export type Program = readonly [executable: string, ...first: readonly string[]];

export interface KillMoment {
  /** Not before this step is in the log. */
  readonly step: number;
  /** Milliseconds after that. */
  readonly delay: number;
}

export interface KilledRun {
  /** The run directory. */
  readonly directory: string;
  /**
   * The last step in the log at each kill; fewer than were asked for where the run was done before.
   */
  readonly killedAfter: readonly number[];
  /** What the run said of itself when it was done. */
  readonly summary: Summary;
}

/** Aborted where the programs are to be ended, and no other is to be started. */
export type Stop = AbortSignal;

const QUIET = ['--json', '--quiet'];
/** Between two looks at the log. */
const POLL_MS = 1;

/** A missed gate is an end like another. */
export function isDone({ code }: Pick<Outcome, 'code'>): boolean {
  return code === EXIT.done || code === EXIT.gate;
}

/**
 * Starts a run that writes under `output`, kills it at each of `moments` in turn and lets it come
 * to its end.
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
 * Runs the program to its end; gives the summary that it prints. Throws UserError where it fails,
 * with what it complained.
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
  /** Null where a signal ended the process. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `run` or `resume` so that stdout has the summary alone. */
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

/** Whether `condition` came to hold while the program was alive. */
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

/** Enough for several lines. */
const TAIL_BYTES = 4096;

/** The step of the last record that has one; -1 without any. */
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

/** What a program complained of, lines and indents taken out. */
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
    { code: 'verify/interrupted', message: 'interrupted: nothing was proved and nothing was kept' },
  ]);
}
