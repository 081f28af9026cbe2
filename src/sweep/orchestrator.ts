/**
 * Executes a sweep: starts the jobs of the scheduler, reports their results to it, and records both
 * in the journal before acting on them, so that it can be killed at any time. It makes no
 * decisions.
 */
import { rmSync } from 'node:fs';
import { damagedError, EXIT, UserError } from '../util/errors.js';
import { DecisionRecord, recall } from './decisions.js';
import type { SweepDirectory } from './directory.js';
import { now } from './journal.js';
import type { Launcher, RunningTask, Task, TaskEnd } from './launcher.js';
import type { SweepPlan } from './schedule/plan.js';
import { type JournalRecord, outcomesOf, type Segment } from './schedule/records.js';
import type { Scheduler } from './schedule/scheduler.js';
import {
  failureSentence,
  finishedSegment,
  foundInUse,
  isOutOfSpace,
  type SegmentResult,
  trainedSteps,
  untilFree,
} from './segment.js';
import { placeArguments } from './trial-runs.js';
import { TrialFiles } from './trials.js';

export interface OrchestratorParts {
  readonly plan: SweepPlan;
  readonly directory: SweepDirectory;
  readonly scheduler: Scheduler;
  readonly launcher: Launcher;
  /** Aborted to stop the sweep so that it can be resumed. */
  readonly signal: AbortSignal;
  readonly threads: number;
  readonly records: readonly JournalRecord[];
  readonly isDamaged: boolean;
  readonly retryFailed: boolean;
  readonly seconds: number;
  append(...records: readonly JournalRecord[]): void;
  warn(text: string): void;
  /** The trial's own arguments of `run`: base config and overrides. */
  argsOf(segment: Segment): readonly string[];
}

export type SweepEnd = 'completed' | 'interrupted';

export class Orchestrator {
  private readonly waiting: Segment[] = [];
  private readonly running = new Map<string, Promise<void>>();
  private readonly tasks = new Set<RunningTask>();
  /** Number of starts of each segment, and the process of the last. */
  private readonly attempts = new Map<string, { count: number; process: string | null }>();
  private readonly began = performance.now();
  private readonly decisions: DecisionRecord;
  /** What the trials with a recorded result were trained with. */
  private readonly files: TrialFiles;
  /** Whether the sweep is over: its trials are stopped and not restarted. */
  private isOver = false;

  constructor(private readonly parts: OrchestratorParts) {
    this.decisions = new DecisionRecord(parts);
    this.files = new TrialFiles(parts.directory);
    for (const record of parts.records)
      if (record.event === 'segment.start')
        this.attempts.set(idOf(record), { count: record.attempt, process: record.process });
  }

  async run(): Promise<SweepEnd> {
    const { signal, scheduler, records, retryFailed } = this.parts;
    const interrupt = () => {
      for (const task of this.tasks) void task.stop();
    };
    signal.addEventListener('abort', interrupt);
    const timer = this.watchTime();
    try {
      recall(scheduler, records, retryFailed);
      for (const run of outcomesOf(records)) if (run.status !== 'failed') this.addFiles(run);
      if (retryFailed) this.decisions.restate(scheduler.advance(), true);
      this.decide();
      this.decisions.warnOfLostResults();
      for (;;) {
        this.decide();
        if (scheduler.finished) {
          this.decisions.close();
          return 'completed';
        }
        if (signal.aborted && this.running.size === 0) return 'interrupted';
        this.launch();
        if (this.running.size === 0) throw new Error('the sweep has nothing to run but is not finished');
        await Promise.race(this.running.values());
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', interrupt);
      // leaves no trial running, whether the sweep ended or an error occurred
      this.isOver = true;
      interrupt();
      await Promise.allSettled(this.running.values());
    }
  }

  private decide(): void {
    const { scheduler } = this.parts;
    for (;;) {
      const decisions = scheduler.advance();
      for (const decision of decisions) this.decisions.add(decision);
      const segments = scheduler.ready();
      this.waiting.push(...segments);
      if (decisions.length === 0 && segments.length === 0) return;
    }
  }

  private launch(): void {
    while (!this.parts.signal.aborted && this.running.size < this.parts.plan.parallel) {
      const segment = this.waiting.shift();
      if (!segment) return;
      const id = idOf(segment);
      const work = this.train(segment).finally(() => this.running.delete(id));
      this.running.set(id, work);
    }
  }

  /** Runs a segment until its result is known, or until the sweep stops. */
  private async train(segment: Segment): Promise<void> {
    const { directory, plan, launcher, signal } = this.parts;
    const path = directory.runPath(segment);
    const before = this.attempts.get(idOf(segment));
    if (before?.process) {
      // one that an earlier process of the sweep left behind: two must not work on one run
      const task = await launcher.find(this.task(segment, before.count), before.process);
      if (task) await this.watch(task);
    }
    let isLost = false;
    for (let tries = 0; ; ) {
      // the next worker of a lost job waits itself, and takes the run over from a suspended one
      if (!isLost) await untilFree(path, signal);
      this.dropOther(segment, path);
      const done = finishedSegment(segment, path, plan.objective);
      if (done) return this.finish(done);
      if (this.isStopping) return;
      const steps = trainedSteps(path);
      const end = await this.attempt(segment);
      const result = finishedSegment(segment, path, plan.objective);
      if (result) return this.finish(result);
      if (this.isStopping) return;
      // another process locked the run in the meantime: wait for it again
      if (foundInUse(end)) continue;
      // by a limit of its environment; its progress is kept
      const wasStopped = end.exitCode === EXIT.interrupted && !end.timedOut;
      if (wasStopped && trainedSteps(path) > steps) {
        this.warnOf(segment, 'stopped from outside; resuming it');
        continue;
      }
      const why = failureSentence(end, plan.trial_timeout);
      // not the trial's fault: Redis without persistence was restarted
      if (end.wasForgotten) {
        isLost = true;
        this.warnOf(segment, `${why}; queueing it again`);
        continue;
      }
      if (isOutOfSpace(end)) throw outOfSpace(segment, path, why);
      // not if the config or command line is wrong
      const mayRetry = tries < plan.retries && end.exitCode !== EXIT.usage;
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
    const [other] = this.isStopping ? [] : this.files.add(segment);
    if (other === undefined) return;
    this.warnOf(segment, `trained with another ${other.file}; training it again`);
    rmSync(path, { recursive: true });
  }

  private addFiles(run: Pick<Segment, 'trial' | 'seed'>): void {
    const found = this.files.add(run);
    const expected = 'the unchanged file; put it back and resume the sweep, or start a new one';
    if (found.length > 0) throw damagedError(...found.map(one => ({ ...one, expected })));
  }

  private warnOf({ trial, seed }: Segment, what: string): void {
    this.parts.warn(`trial ${trial}, seed ${seed}: ${what}`);
  }

  private async attempt(segment: Segment): Promise<TaskEnd> {
    const { launcher, append } = this.parts;
    const id = idOf(segment);
    const attempt = (this.attempts.get(id)?.count ?? 0) + 1;
    const task = this.task(segment, attempt);
    const running = await launcher.start(task);
    const { process } = running;
    this.attempts.set(id, { count: attempt, process });
    const { trial, seed, from, to, directory } = task;
    append({
      ...{ event: 'segment.start', time: now().toISOString(), trial, seed, from, to, attempt, directory },
      launcher: launcher.name,
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
    const { directory, threads, plan } = this.parts;
    const { trial, seed, from, to } = segment;
    const path = directory.runPath(segment);
    return {
      ...{ trial, seed, from, to, id: idOf(segment), attempt, directory: path, threads },
      args: [...this.parts.argsOf(segment), ...placeArguments(path, to, threads)],
      timeout: plan.trial_timeout,
    };
  }

  private finish(result: SegmentResult): void {
    if (result.status !== 'failed') this.addFiles(result);
    const attempt = this.attempts.get(idOf(result))?.count ?? 0;
    this.parts.append({ event: 'segment.end', time: now().toISOString(), ...result, attempt });
    const { trial, seed, from, to, status, value } = result;
    this.parts.scheduler.report({ trial, seed, from, to, status, value });
  }

  /** The time budget applies to all processes of the sweep together. */
  private watchTime(): NodeJS.Timeout | undefined {
    const { plan, append, scheduler, seconds: before } = this.parts;
    const { seconds } = plan.budget;
    if (seconds === null) return undefined;
    const left = Math.max(0, seconds - before) * 1000;
    const end = () => {
      if (scheduler.finished) return;
      const advances = scheduler.endBudget('time');
      append({ event: 'budget.time', time: now().toISOString(), seconds: this.elapsed, advances });
    };
    return setTimeout(end, Math.min(left, 2 ** 31 - 1));
  }

  private get isStopping(): boolean {
    return this.isOver || this.parts.signal.aborted;
  }

  /** Seconds of work, including earlier processes. */
  get elapsed(): number {
    return this.parts.seconds + (performance.now() - this.began) / 1000;
  }
}

/** `t0007-s0-e3`. */
export function idOf({ trial, seed, to }: Pick<Segment, 'trial' | 'seed' | 'to'>): string {
  return `t${String(trial).padStart(4, '0')}-s${seed}-e${to}`;
}

/** A full disk is not a result of the trial. */
function outOfSpace({ trial, seed }: Segment, file: string, why: string): UserError {
  const message = `the sweep stops because trial ${trial}, seed ${seed} found no space on the disk: ${why}`;
  return new UserError(EXIT.unexpected, [{ code: 'sweep/no-space', message, file }]);
}
