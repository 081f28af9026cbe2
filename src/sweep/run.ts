/** Runs a sweep, or resumes one. */

import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLocked, whileLocked } from '../run/lock.js';
import { versions } from '../run/manifest.js';
import { damagedError, damagedErrors, EXIT, UserError, usageError } from '../util/errors.js';
import { backendOf, costModel, type SweepDirectory, trialArguments } from './directory.js';
import { now, openJournal, readJournal } from './journal.js';
import { replicateWords, type SweepPlan } from './schedule/plan.js';
import {
  type JournalRecord,
  outcomesOf,
  type RunOfTrial,
  runName,
  type Segment,
  segmentOf,
} from './schedule/records.js';
import { type Replay, replay, Scheduler } from './schedule/scheduler.js';
import { blindTrials } from './search/index.js';
import type { Launcher, RunningTask, Task, TaskEnd } from './segment.js';
import {
  failureSentence,
  finishedSegment,
  foundChange,
  foundInUse,
  isOutOfSpace,
  type SegmentResult,
  trainedSteps,
} from './segment.js';
import { missingRuns, recordsOf, trialFiles, troubleOf } from './trials.js';

const UNCHANGED = 'the unchanged file; put it back and resume the sweep, or start a new one';

/** Milliseconds between checks whether another process still works on a run. */
const LOCK_POLL_MS = 50;

export interface SweepOptions {
  /** Threads of all trials together, divided evenly; each trial has at least one. */
  readonly threads: number;
  /** As for `run --backend`; undefined for the one in the journal. */
  readonly backend: string | undefined;
  /** Vector width in bits on webasm; undefined for the best one where a trial runs. */
  readonly width?: 128 | 256 | 512 | undefined;
  readonly retryFailed?: boolean;
  launcher(directory: SweepDirectory, warn: (text: string) => void): Promise<Launcher> | Launcher;
  readonly observer: {
    recorded?(record: JournalRecord): void;
    /** Called with one line about a problem that does not stop the sweep. */
    warning(text: string): void;
  };
  /** Aborted to stop the sweep so that it can be resumed. */
  readonly signal: AbortSignal;
}

export type SweepResult = Awaited<ReturnType<typeof runLocked>>;

/** Runs a new sweep, or resumes one. Runs that were interrupted resume from their checkpoints. */
export async function runSweep(directory: SweepDirectory, options: SweepOptions): Promise<SweepResult> {
  return whileLocked(directory.files.lock, () => runLocked(directory, options));
}

async function runLocked(directory: SweepDirectory, options: SweepOptions) {
  const { observer } = options;
  const warn = (text: string): void => observer.warning(text);
  const version = versions().cellrun;
  const { plan } = directory;
  const { records, damage } = readJournal(directory.files.journal);
  for (const sentence of damage) warn(sentence);
  refuseMissingRuns(directory, records);
  const hasFailures = outcomesOf(records).some(({ status }) => status === 'failed');
  const retryFailed = options.retryFailed === true && hasFailures;
  if (options.retryFailed && !hasFailures) warn('--retry-failed has no effect: no trial has failed');
  if (retryFailed) refuseRetry(directory);
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
  const journal = openJournal(directory.files.journal, `${self} ${time}`);
  const append = (...added: readonly JournalRecord[]): void => {
    journal.append(...added);
    for (const record of added) observer.recorded?.(record);
  };
  try {
    if (records.length === 0)
      append({ event: 'sweep.start', time, id: directory.id, plan, backend, version });
    else append({ event: 'sweep.resume', time, process: self, backend, version });
    const orchestrator = new Orchestrator(directory, { ...options, backend }, records, launcher, append);
    const end = await orchestrator.run(retryFailed, damage.length > 0);
    const closing = { time: now().toISOString(), seconds: orchestrator.elapsed };
    if (end === 'interrupted') {
      append({ event: 'sweep.stop', ...closing, reason: 'interrupted' });
      return { exitCode: EXIT.interrupted, end, directory };
    }
    append({ event: 'sweep.end', ...closing });
    // from the journal, which has the results of earlier processes
    const trouble = troubleOf(recordsOf(readJournal(directory.files.journal).records, plan));
    return { exitCode: trouble?.exitCode ?? EXIT.done, end, directory };
  } finally {
    journal.close();
    await launcher.close();
  }
}

/**
 * Starts the segments of the scheduler, reports their results to it, and records both in the
 * journal before acting on them, so that it can be killed at any time. It makes no decisions.
 */
class Orchestrator {
  private readonly plan: SweepPlan;
  private readonly scheduler: Scheduler;
  private readonly running = new Set<Promise<void>>();
  private readonly tasks = new Set<RunningTask>();
  /** Number of starts of each segment, and the process of the last. */
  private readonly attempts = new Map<string, { count: number; process: string | null }>();
  private readonly began = performance.now();
  /** Seconds of work of earlier processes. */
  private readonly before: number;
  /** Returns the files of a run that are not those of the runs before. */
  private readonly changedFiles: ReturnType<typeof trialFiles>;
  /** Whether trials are stopped and not restarted: the sweep is over or interrupted. */
  private isStopping = false;

  constructor(
    private readonly directory: SweepDirectory,
    private readonly options: SweepOptions & { readonly backend: string },
    private readonly records: readonly JournalRecord[],
    private readonly launcher: Launcher,
    private readonly append: (...records: readonly JournalRecord[]) => void,
  ) {
    this.plan = directory.plan;
    this.scheduler = new Scheduler(this.plan, costModel(directory));
    this.changedFiles = trialFiles(directory);
    this.before = secondsOf(records);
    for (const record of records)
      if (record.event === 'segment.start')
        this.attempts.set(idOf(record), { count: record.attempt, process: record.process });
  }

  /** @param isDamaged whether the journal has lost records */
  async run(retryFailed: boolean, isDamaged: boolean): Promise<'completed' | 'interrupted'> {
    const { signal } = this.options;
    const stop = () => this.stop();
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    const timer = this.watchTime();
    try {
      this.recall(retryFailed, isDamaged);
      for (const run of outcomesOf(this.records)) if (run.status !== 'failed') this.addFiles(run);
      // of runs without a result, the one that started first has the right files
      for (const record of this.records) if (record.event === 'segment.start') this.changedFiles(record);
      const isDecided = await this.conduct(() => this.scheduler.isDecided);
      // trials that are no longer needed
      await this.endTrials();
      const isFinished = isDecided && (await this.conduct(() => this.scheduler.isFinished));
      return isFinished ? 'completed' : 'interrupted';
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      await this.endTrials();
    }
  }

  private stop(): void {
    this.isStopping = true;
    for (const task of this.tasks) void task.stop();
  }

  /** Leaves no trial running. */
  private async endTrials(): Promise<void> {
    // a second signal would kill them
    if (!this.isStopping) this.stop();
    await Promise.allSettled(this.running);
    this.isStopping = this.options.signal.aborted;
  }

  /** Trains what the scheduler asks for. Returns true once `isDone`, false if the sweep stops. */
  private async conduct(isDone: () => boolean): Promise<boolean> {
    for (;;) {
      this.append(...this.scheduler.advance());
      if (isDone()) return true;
      for (const segment of this.isStopping ? [] : this.scheduler.ready()) {
        const work = this.train(segment).finally(() => this.running.delete(work));
        this.running.add(work);
      }
      if (this.isStopping && this.running.size === 0) return false;
      if (this.running.size === 0) throw new Error('the sweep has nothing to run but is not finished');
      await Promise.race(this.running);
    }
  }

  /** Decides again what earlier processes decided, and compares it with what they recorded. */
  private recall(retryFailed: boolean, isDamaged: boolean): void {
    const replayed = replay(this.scheduler, this.records, retryFailed);
    const { decisions } = replayed;
    if (replayed.same && !retryFailed) {
      this.append(...decisions.slice(decisions.length - replayed.unwritten));
      return;
    }
    if (!replayed.same && !retryFailed) {
      if (!isDamaged) throw otherDecision(replayed);
      this.warn('the journal has lost decisions; all are recomputed from the results');
    }
    const time = now().toISOString();
    this.append({ event: 'sweep.redecided', time, retry_failed: retryFailed }, ...decisions);
  }

  /** Runs a segment until its result is known, or until the sweep stops. */
  private async train(segment: Segment): Promise<void> {
    const path = this.directory.runPath(segment);
    const before = this.attempts.get(idOf(segment));
    if (before?.process) {
      // one that an earlier process of the sweep left behind: two must not work on one run
      const task = await this.launcher.find(this.task(segment, before.count), before.process);
      if (task) await this.watch(task);
    }
    let isLost = false;
    for (let tries = 0; ; ) {
      // also for processes of a killed sweep that its journal does not know; the next worker of a
      // lost job waits itself, and takes the run over from a suspended one
      while (!isLost && !this.isStopping && isLocked(join(path, 'run.lock'))) await sleep(LOCK_POLL_MS);
      this.dropOther(segment, path);
      const done = finishedSegment(segment, path, this.plan);
      if (done) return this.finish(done);
      if (this.isStopping) return;
      const steps = trainedSteps(path);
      const end = await this.attempt(segment);
      const result = finishedSegment(segment, path, this.plan);
      if (result) return this.finish(result);
      if (this.isStopping) return;
      // another process locked the run in the meantime: wait for it again
      if (foundInUse(end)) continue;
      // by a limit of its environment; its progress is kept
      const wasStopped = end.exitCode === EXIT.interrupted && !end.timedOut;
      if (wasStopped && trainedSteps(path) > steps) {
        this.warnOf(segment, 'stopped by a signal; resuming it');
        continue;
      }
      const why = failureSentence(end, this.plan.trial_timeout);
      // not the trial's fault: Redis without persistence was restarted
      if (end.wasForgotten) {
        isLost = true;
        this.warnOf(segment, `${why}; queueing it again`);
        continue;
      }
      if (isOutOfSpace(end)) throw outOfSpace(segment, path, why);
      if (foundChange(end)) throw inputChanged(segment, path, why);
      // not if the config or command line is wrong
      const mayRetry = tries < this.plan.retries && end.exitCode !== EXIT.usage;
      this.warnOf(segment, `${why}${mayRetry ? '; retrying' : ''}`);
      if (!mayRetry) {
        const nothing = { value: null, epochs: null, train_s: null };
        const failed = { exit_code: end.exitCode, message: why };
        return this.finish({ ...segment, status: 'failed', ...nothing, ...failed });
      }
      tries += 1;
    }
  }

  /** Removes a run that a stopped sweep trained with a changed file: it has no recorded result. */
  private dropOther(segment: Segment, path: string): void {
    const [other] = this.isStopping ? [] : this.changedFiles(segment);
    if (other === undefined) return;
    this.warnOf(segment, `trained with a different ${other.file}; training it again`);
    rmSync(path, { recursive: true });
  }

  private addFiles(run: RunOfTrial): void {
    const found = this.changedFiles(run);
    if (found.length > 0)
      throw damagedErrors(found.map(diagnostic => ({ ...diagnostic, expected: UNCHANGED })));
  }

  private warn(text: string): void {
    this.options.observer.warning(text);
  }

  private warnOf(segment: Segment, what: string): void {
    this.warn(`${runWords(segment)}: ${what}`);
  }

  private async attempt(segment: Segment): Promise<TaskEnd> {
    const attempt = (this.attempts.get(idOf(segment))?.count ?? 0) + 1;
    const task = this.task(segment, attempt);
    const running = await this.launcher.start(task);
    const { process } = running;
    this.attempts.set(task.id, { count: attempt, process });
    const { directory } = task;
    this.append({
      ...{ event: 'segment.start', time: now().toISOString(), ...segmentOf(task), attempt, directory },
      launcher: this.launcher.name,
      process,
    });
    return this.watch(running);
  }

  private async watch(task: RunningTask): Promise<TaskEnd> {
    this.tasks.add(task);
    if (this.isStopping) await task.stop();
    return task.end.finally(() => this.tasks.delete(task));
  }

  private task(segment: Segment, attempt: number): Task {
    const { directory, plan } = this;
    const { backend, width } = this.options;
    const threads = Math.max(1, Math.floor(this.options.threads / plan.parallel));
    const settings = { backend, width, threads };
    return {
      ...{ ...segmentOf(segment), id: idOf(segment), attempt, threads },
      directory: directory.runPath(segment),
      args: trialArguments(directory, this.scheduler.pointOf(segment.trial), segment, settings),
      timeout: plan.trial_timeout,
    };
  }

  private finish(result: SegmentResult): void {
    if (result.status !== 'failed') this.addFiles(result);
    const attempt = this.attempts.get(idOf(result))?.count ?? 0;
    this.append({ event: 'segment.end', time: now().toISOString(), ...result, attempt });
    const { status, value } = result;
    this.scheduler.report({ ...segmentOf(result), status, value });
  }

  /** The time budget applies to all processes of the sweep together. */
  private watchTime(): NodeJS.Timeout | undefined {
    const { seconds } = this.plan.budget;
    if (seconds === null) return undefined;
    const end = () => {
      if (this.scheduler.isDecided) return;
      const advances = this.scheduler.endBudget();
      const time = now().toISOString();
      this.append({ event: 'budget.time', time, seconds: this.elapsed, advances });
    };
    const left = Math.max(0, seconds - this.elapsed) * 1000;
    return setTimeout(end, Math.min(left, 2 ** 31 - 1));
  }

  /** Seconds of work, including earlier processes. */
  get elapsed(): number {
    return this.before + (performance.now() - this.began) / 1000;
  }
}

function idOf(segment: Segment): string {
  return `${runName(segment)}-e${segment.to}`;
}

function runWords(run: RunOfTrial): string {
  return `trial ${run.trial}, ${replicateWords(run)}`;
}

function otherDecision({ replayed, recorded }: Extract<Replay, { same: false }>): UserError {
  return damagedError(
    'sweep/other-decision',
    'this decision does not match the results in the journal: it was changed, or written by another version of cellrun. Remove the line to recompute it',
    { expected: replayed ?? 'none', got: recorded },
  );
}

/** A full disk is not a result of the trial. */
function outOfSpace(segment: Segment, file: string, why: string): UserError {
  const message = `the sweep stops because there was no space left on the disk for ${runWords(segment)}: ${why}`;
  return new UserError(EXIT.unexpected, [{ code: 'sweep/no-space', message, file }]);
}

/** A changed file is no failure of the trial: the run continues when the file is put back. */
function inputChanged(segment: Segment, file: string, why: string): UserError {
  const message = `the sweep stops because ${runWords(segment)} cannot continue: ${why}`;
  return damagedError('sweep/input-changed', message, { file, expected: UNCHANGED });
}

/** A run that is trained again could differ from the result that led to later decisions. */
function refuseMissingRuns(directory: SweepDirectory, records: readonly JournalRecord[]): void {
  const missing = missingRuns(directory, recordsOf(records, directory.plan));
  if (missing.length === 0) return;
  const expected = 'the directory restored from a backup, or a new sweep';
  throw damagedErrors(missing.map(diagnostic => ({ ...diagnostic, expected })));
}

/** Points that were chosen knowing of a failure depend on it, so the failure cannot be undone. */
function refuseRetry({ plan: { method, on_trial_error }, path }: SweepDirectory): void {
  if (blindTrials(method) === Number.POSITIVE_INFINITY || on_trial_error === 'stop') return;
  throw usageError(
    'sweep/no-retry',
    `cannot retry failed trials of this sweep: ${method.kind} chose later points based on the failures`,
    { file: path, expected: 'a new sweep, or `sweep resume` without --retry-failed' },
  );
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
