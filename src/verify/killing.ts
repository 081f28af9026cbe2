/** Runs of this very program in processes of their own, ended by SIGKILL at chosen moments and resumed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, UserError } from '../errors.js';
import type { Summary } from '../experiment/summary.js';

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
  /** The last step in the log at each kill; fewer than were asked for where the run was done before. */
  readonly killedAfter: readonly number[];
  /** What the run said of itself when it was done. */
  readonly summary: Summary;
}

const QUIET = ['--json', '--quiet'];
/** Between two looks at the log. */
const POLL_MS = 1;
/** A missed gate is an end like another. */
const ENDS: readonly (number | null)[] = [EXIT.done, EXIT.gate];

/** Starts a run that writes under `output`, kills it at each of `moments` in turn and lets it come to its end. */
export async function runAndKill(
  program: Program,
  args: readonly string[],
  output: string,
  moments: readonly KillMoment[],
  resumeFlags: readonly string[] = [],
): Promise<KilledRun> {
  const killedAfter: number[] = [];
  let directory: string | undefined;
  const next = () =>
    directory === undefined ? [...args, '--output', output] : ['resume', directory, ...resumeFlags];
  for (const { step, delay } of moments) {
    const child = start(program, next());
    const ended = outcome(child);
    if (await reached(child, () => lastStep(runUnder(output)) >= step))
      await Promise.race([sleep(delay), ended.done]);
    child.kill('SIGKILL');
    const { signal, code, stderr } = await ended.done;
    directory ??= runUnder(output);
    if (signal !== 'SIGKILL') {
      if (!ENDS.includes(code)) throw failed(next(), code, stderr);
      break;
    }
    killedAfter.push(lastStep(directory));
  }
  const summary = await finish(program, next());
  return { directory: directory ?? summary.directory, killedAfter, summary };
}

/** Runs the program to its end; gives the summary that it prints. Throws UserError where it fails, with what it complained. */
export async function finish(program: Program, args: readonly string[]): Promise<Summary> {
  const { code, stdout, stderr } = await outcome(start(program, args)).done;
  if (!ENDS.includes(code)) throw failed(args, code, stderr);
  return JSON.parse(stdout) as Summary;
}

function start([executable, ...first]: Program, args: readonly string[]): ChildProcess {
  return spawn(executable, [...first, ...args, ...QUIET], { stdio: ['ignore', 'pipe', 'pipe'] });
}

interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function outcome(child: ChildProcess): { readonly done: Promise<Outcome> } {
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (part: string) => {
      text[name] += part;
    });
  }
  const done = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject).on('close', (code, signal) => resolve({ code, signal, ...text }));
  });
  return { done };
}

/** Whether `condition` came to hold while `child` was alive. */
async function reached(child: ChildProcess, condition: () => boolean): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    if (condition()) return true;
    await sleep(POLL_MS);
  }
  return false;
}

/** The one run directory `<output>/<name>/<id>`. */
function runUnder(output: string): string | undefined {
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

function failed(args: readonly string[], code: number | null, stderr: string): UserError {
  const exitCode =
    code === EXIT.usage || code === EXIT.damaged || code === EXIT.diverged ? code : EXIT.unexpected;
  return new UserError(exitCode, [
    {
      code: 'verify/run-failed',
      message: `\`${args.join(' ')}\` failed with exit code ${code}:\n${stderr.trim()}`,
    },
  ]);
}
