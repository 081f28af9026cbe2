/** Runs a sweep, or resumes one. */

import { hostname } from 'node:os';
import { whileLocked } from '../run/lock.js';
import { versions } from '../run/manifest.js';
import { damagedError, EXIT, type ExitCode, usageError } from '../util/errors.js';
import { type FrozenBase, SweepDirectory } from './directory.js';
import { Journal, now, readJournal } from './journal.js';
import type { Launcher } from './launcher.js';
import { Orchestrator, type SweepEnd } from './orchestrator.js';
import type { SweepPlan } from './schedule/plan.js';
import { type JournalRecord, outcomesOf } from './schedule/records.js';
import { Scheduler } from './schedule/scheduler.js';
import { blindTrials, createSampler } from './search/index.js';
import { backendOf, backendOfRun, costModel, trialArguments } from './trial-runs.js';
import { missingRuns, recordsOf, troubleOf } from './trials.js';

export interface SweepObserver {
  recorded?(record: JournalRecord): void;
  /** Called with one line about a problem that does not stop the sweep. */
  warning(text: string): void;
}

export interface SweepOptions {
  /** Threads of all trials together, divided evenly; each trial has at least one. */
  readonly threads: number;
  /** As for `run --backend`; undefined for the one in the journal. */
  readonly backend: string | undefined;
  /** Vector width in bits on webasm; undefined for the best one where a trial runs. */
  readonly width?: 128 | 256 | undefined;
  readonly retryFailed?: boolean;
  launcher(directory: SweepDirectory, warn: (text: string) => void): Promise<Launcher> | Launcher;
  readonly observer: SweepObserver;
  /** Aborted to stop the sweep so that it can be resumed. */
  readonly signal: AbortSignal;
}

export interface NewSweep {
  readonly plan: SweepPlan;
  readonly bases: readonly FrozenBase[];
  readonly givenYaml: string | null;
  readonly output: string;
}

export interface SweepResult {
  /** 130 if it was stopped, otherwise that of `troubleOf`. */
  readonly exitCode: ExitCode;
  readonly end: SweepEnd;
  readonly directory: SweepDirectory;
}

/** Runs a new sweep. `opened` is called with its directory before anything runs. */
export async function runSweep(
  { plan, bases, givenYaml, output }: NewSweep,
  options: SweepOptions,
  opened: (directory: SweepDirectory) => void,
): Promise<SweepResult> {
  const directory = SweepDirectory.create(plan, { outputRoot: output, started: now(), givenYaml, bases });
  opened(directory);
  return resumeSweep(directory.path, options);
}

/** Resumes a sweep. Runs that were interrupted resume from their checkpoints. */
export async function resumeSweep(path: string, options: SweepOptions): Promise<SweepResult> {
  const directory = SweepDirectory.open(path);
  return whileLocked(directory.files.lock, () => runLocked(directory, options));
}

async function runLocked(directory: SweepDirectory, options: SweepOptions): Promise<SweepResult> {
  const { observer, signal } = options;
  const warn = (text: string): void => observer.warning(text);
  const version = versions().cellrun;
  const plan = directory.readPlan();
  const { records, damage } = readJournal(directory.files.journal);
  for (const sentence of damage) warn(sentence);
  refuseMissingRuns(directory, records);
  const hasFailures = outcomesOf(records).some(({ status }) => status === 'failed');
  const retryFailed = options.retryFailed === true && hasFailures;
  if (options.retryFailed && !hasFailures) warn('--retry-failed has no effect: no trial has failed');
  if (retryFailed) refuseRetry(plan, directory);
  const before = backendOf(records);
  const backend = options.backend ?? before ?? 'auto';
  if (before !== undefined && backend !== before)
    warn(
      `the sweep used --backend ${before}; trials that have not started will run on ${backend}, whose results can differ in the last digits`,
    );
  const self = `${process.pid} ${hostname()}`;
  const time = now().toISOString();
  const launcher = await options.launcher(directory, warn);
  // the time distinguishes a process that resumes the same sweep twice
  const journal = Journal.open(directory.files.journal, `${self} ${time}`);
  const append = (...added: readonly JournalRecord[]): void => {
    journal.append(...added);
    for (const record of added) observer.recorded?.(record);
  };
  try {
    if (records.length === 0)
      append({ event: 'sweep.start', time, id: directory.id, plan, backend, version });
    else append({ event: 'sweep.resume', time, process: self, backend, version });
    const sampler = createSampler(plan.space, plan.method, plan.seed);
    const scheduler = new Scheduler(plan, sampler, costModel(plan, directory));
    const orchestrator = new Orchestrator({
      ...{ plan, directory, scheduler, launcher, signal, records, retryFailed, append, warn },
      isDamaged: damage.length > 0,
      seconds: secondsOf(records),
      threads: Math.max(1, Math.floor(options.threads / plan.parallel)),
      argsOf: ({ trial, seed }) => [
        ...trialArguments(plan, directory, scheduler.pointOf(trial), seed),
        '--backend',
        // a run keeps its backend, since only there it stays byte-identical
        backendOfRun(directory.runPath({ trial, seed })) ?? backend,
        ...(options.width === undefined ? [] : ['--width', String(options.width)]),
      ],
    });
    const end = await orchestrator.run();
    const closing = { time: now().toISOString(), seconds: orchestrator.elapsed };
    if (end === 'interrupted') {
      append({ event: 'sweep.stop', ...closing, reason: 'interrupted' });
      return { exitCode: EXIT.interrupted, end, directory };
    }
    append({ event: 'sweep.end', ...closing });
    // from the journal, which has the results of earlier processes
    const trouble = troubleOf(recordsOf(readJournal(directory.files.journal).records));
    return { exitCode: trouble?.exitCode ?? EXIT.done, end, directory };
  } finally {
    journal.close();
    await launcher.close();
  }
}

/** A run that is trained again could differ from the result that led to later decisions. */
function refuseMissingRuns(directory: SweepDirectory, records: readonly JournalRecord[]): void {
  const missing = missingRuns(directory, recordsOf(records));
  if (missing.length === 0) return;
  const expected = 'the directory restored from a backup, or a new sweep';
  throw damagedError(...missing.map(one => ({ ...one, expected })));
}

/** Points that were chosen knowing of a failure depend on it, so the failure cannot be undone. */
function refuseRetry({ method, on_trial_error }: SweepPlan, { path }: SweepDirectory): void {
  if (blindTrials(method) === Number.POSITIVE_INFINITY || on_trial_error === 'stop') return;
  throw usageError({
    code: 'sweep/no-retry',
    message: `cannot retry failed trials of this sweep: ${method.kind} chose later points based on the failures`,
    file: path,
    expected: 'a new sweep, or `sweep resume` without --retry-failed',
  });
}

/**
 * Seconds that earlier processes worked: as measured by those that could end, from the first to the
 * last record of those that were killed.
 */
export function secondsOf(records: readonly JournalRecord[]): number {
  let seconds = 0;
  let started: number | undefined;
  let last: number | undefined;
  for (const record of records) {
    if (!('time' in record)) continue;
    const at = Date.parse(record.time) / 1000;
    if (record.event === 'sweep.start' || record.event === 'sweep.resume') {
      if (started !== undefined && last !== undefined) seconds += Math.max(0, last - started);
      started = at;
    }
    last = at;
    if (!('seconds' in record)) continue;
    // the total up to here
    seconds = record.seconds;
    started = at;
  }
  return started === undefined || last === undefined ? 0 : seconds + Math.max(0, last - started);
}
