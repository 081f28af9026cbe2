/** A sweep from its plan to its directory, new or gone on with. */

import { processIdentity } from '../experiment/locks/process-identity.js';
import { whileLocked } from '../experiment/locks/run-lock.js';
import { EXIT, type ExitCode, usageError } from '../util/errors.js';
import { Journal, readJournal } from './journal.js';
import type { Launcher } from './launcher.js';
import { Orchestrator, type SweepEnd, type SweepObserver } from './orchestrator.js';
import type { SweepPlan } from './plan.js';
import { type JournalRecord, outcomesOf } from './records.js';
import { recordsOf } from './results/trials.js';
import { troubleOf } from './results/trouble.js';
import { Scheduler } from './schedule/scheduler.js';
import { createSampler } from './search/index.js';
import { type FrozenBase, SweepDirectory } from './sweep-directory.js';
import { backendOf, beganOn, costModel, trialArguments } from './trial-runs.js';

export interface SweepOptions {
  /** Threads of all trials together; each gets its share, one at least. */
  readonly threads: number;
  /** As `run` takes it; undefined: what the sweep had before, of which its journal knows. */
  readonly backend: string | undefined;
  /** Bits of vectors on webasm; undefined: those that pay where a trial runs. */
  readonly width?: 128 | 256 | undefined;
  /** Makes what starts the trials of the sweep in a directory; `warn` tells people a line. */
  launcher(directory: SweepDirectory, warn: (text: string) => void): Promise<Launcher> | Launcher;
  readonly observer: SweepObserver;
  /** Aborted where the sweep is to stop resumably. */
  readonly signal: AbortSignal;
  /** Of cellrun. */
  readonly version: string;
  now(): Date;
}

/** A sweep that has not begun. */
export interface NewSweep {
  readonly plan: SweepPlan;
  readonly bases: readonly FrozenBase[];
  /** The sweep's file as given; null where it came from the command line. */
  readonly givenYaml: string | null;
  /** The output root, as the user named it. */
  readonly output: string;
}

export interface SweepResult {
  /** 130 where it was stopped; else as `troubleOf` says. */
  readonly exitCode: ExitCode;
  readonly end: SweepEnd;
  readonly directory: SweepDirectory;
}

/**
 * Throws exit 2 where the directory cannot be made. `opened` is told of it before anything runs.
 */
export async function runSweep(
  { plan, bases, givenYaml, output }: NewSweep,
  options: SweepOptions,
  opened: (directory: SweepDirectory) => void,
): Promise<SweepResult> {
  const directory = SweepDirectory.create(plan, {
    outputRoot: output,
    started: options.now(),
    givenYaml,
    bases,
  });
  opened(directory);
  return runToEnd(directory, options);
}

export interface ResumeSweepOptions extends SweepOptions {
  /** Whether trials that failed are tried again. */
  readonly retryFailed: boolean;
}

/**
 * Goes on with a sweep: what was under way when it stopped goes on from its own checkpoint. Throws
 * exit 2 where `path` is none or is in use, or failed trials cannot be tried again.
 */
export async function resumeSweep(path: string, options: ResumeSweepOptions): Promise<SweepResult> {
  return runToEnd(SweepDirectory.open(path), options);
}

function runToEnd(
  directory: SweepDirectory,
  options: SweepOptions & Partial<ResumeSweepOptions>,
): Promise<SweepResult> {
  return whileLocked(directory.files.lock, () => conductLocked(directory, options));
}

async function conductLocked(
  directory: SweepDirectory,
  options: SweepOptions & Partial<ResumeSweepOptions>,
): Promise<SweepResult> {
  const { observer, signal, now, version } = options;
  const plan = directory.readPlan();
  const { records, damage } = readJournal(directory.files.journal);
  for (const sentence of damage) observer.warning(sentence);
  const retryFailed = options.retryFailed === true && hasFailures(records, observer);
  if (retryFailed) refuseRetry(plan, directory);
  const before = backendOf(records);
  const backend = options.backend ?? before ?? 'auto';
  if (before !== undefined && backend !== before) {
    observer.warning(
      `the sweep had --backend ${before}, and trials that have not begun run on ${backend}, whose results can differ in their last digits: it need not end as one that was never stopped`,
    );
  }
  const self = processIdentity(process.pid);
  const time = now().toISOString();
  const launcher = await options.launcher(directory, text => observer.warning(text));
  await launcher.open();
  // a process may go on with the same sweep twice
  const journal = Journal.open(directory.files.journal, `${self} ${time}`);
  try {
    if (records.length === 0)
      journal.append({ event: 'sweep.start', time, id: directory.id, plan, backend, version });
    else journal.append({ event: 'sweep.resume', time, process: self, backend, version });
    const scheduler = new Scheduler(
      plan,
      createSampler(plan.space, plan.method, plan.seed),
      costModel(plan, directory),
    );
    const orchestrator = new Orchestrator(
      {
        plan,
        directory,
        journal,
        scheduler,
        launcher,
        observer,
        signal,
        threads: Math.max(1, Math.floor(options.threads / plan.parallel)),
        argsOf: ({ trial, seed }) => [
          ...trialArguments(plan, directory, scheduler.pointOf(trial), seed),
          '--backend',
          // a run goes on where it began: there alone it ends with the bytes that it would have had
          beganOn(directory.runPath({ trial, seed })) ?? backend,
          ...(options.width === undefined ? [] : ['--width', String(options.width)]),
        ],
        now,
      },
      { records, isDamaged: damage.length > 0, retryFailed, seconds: secondsOf(records) },
    );
    const end = await orchestrator.run();
    const closing = { time: now().toISOString(), seconds: orchestrator.elapsed };
    if (end === 'completed') journal.append({ event: 'sweep.end', ...closing });
    else journal.append({ event: 'sweep.stop', ...closing, reason: 'interrupted' });
    const exitCode = end === 'completed' ? verdictOf(directory) : EXIT.interrupted;
    return { exitCode, end, directory };
  } finally {
    journal.close();
    await launcher.close();
  }
}

function hasFailures(records: readonly JournalRecord[], observer: SweepObserver): boolean {
  if (outcomesOf(records).some(({ status }) => status === 'failed')) return true;
  observer.warning('no trial has failed, so that none is tried again');
  return false;
}

/** A point that was chosen in the knowledge of a failure would not have been chosen without it. */
function refuseRetry({ method, on_trial_error }: SweepPlan, { path }: SweepDirectory): void {
  if (method.kind !== 'tpe' || on_trial_error === 'stop') return;
  throw usageError({
    code: 'sweep/no-retry',
    message:
      'failed trials of this sweep cannot be tried again: tpe has chosen later points knowing that they failed',
    file: path,
    expected: 'another sweep; or this one without --retry-failed',
  });
}

/** Of a sweep at its end, by its journal, which has what earlier processes found as well. */
function verdictOf({ files }: SweepDirectory): ExitCode {
  return troubleOf(recordsOf(readJournal(files.journal).records))?.exitCode ?? EXIT.done;
}

/**
 * Seconds that earlier processes worked, by the first and the last record of each; the last of a
 * killed one is the last that it wrote.
 */
function secondsOf(records: readonly JournalRecord[]): number {
  let seconds = 0;
  let began: number | undefined;
  let last: number | undefined;
  for (const record of records) {
    if (!('time' in record)) continue;
    const at = Date.parse(record.time) / 1000;
    if (record.event === 'sweep.start' || record.event === 'sweep.resume') {
      if (began !== undefined && last !== undefined) seconds += Math.max(0, last - began);
      began = at;
    }
    last = at;
  }
  return began === undefined || last === undefined ? 0 : seconds + Math.max(0, last - began);
}
