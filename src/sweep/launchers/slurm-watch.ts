/**
 * Waits for jobs to end. It polls the scripts' end files often, which costs Slurm nothing, and asks
 * Slurm rarely, to find jobs whose script could not write one: cancelled, out of memory, timed out,
 * or on a lost node.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TaskEnd } from '../launcher.js';
import { exitOf, type SlurmBatch } from './slurm-batch.js';
import { type JobId, statesOf } from './slurm-commands.js';

export interface Pace {
  /** Milliseconds between reads of the end files. */
  readonly files: number;
  /** Milliseconds between calls of squeue. */
  readonly slurm: number;
  /** Milliseconds that an end file may take to become visible on this machine. */
  readonly grace: number;
  /** Milliseconds without an answer of Slurm after which the launcher fails. */
  readonly patience: number;
}

/** The Slurm manual allows a query every few seconds, since all users share the controller. */
export const USUAL_PACE: Pace = { files: 500, slurm: 10_000, grace: 60_000, patience: 900_000 };

export interface Job {
  readonly id: JobId;
  readonly batch: SlurmBatch;
  readonly index: number;
  /** Whether the task has a time limit of its own, besides the partition's. */
  readonly limited: boolean;
}

interface Watched extends Job {
  /** How the job was asked to stop. */
  stopped?: 'interrupt' | 'kill';
  /** When Slurm first reported its end, on the clock of `performance`. */
  endSeen?: number;
  settle(end: TaskEnd): void;
  fail(reason: unknown): void;
}

/** Final states, from squeue(1). In all others a job waits, runs, or will be started again. */
const ENDED = new Set([
  'BOOT_FAIL',
  'CANCELLED',
  'COMPLETED',
  'DEADLINE',
  'FAILED',
  'LAUNCH_FAILED',
  'NODE_FAIL',
  'OUT_OF_MEMORY',
  'PREEMPTED',
  'RECONFIG_FAIL',
  'REVOKED',
  'TIMEOUT',
]);

/** State of a job that Slurm no longer knows. */
const FORGOTTEN = 'forgotten';

export function hasEnded(state: string | undefined): boolean {
  return state === undefined || ENDED.has(state);
}

export class SlurmWatch {
  private readonly jobs = new Map<JobId, Watched>();
  private running = false;
  private closed = false;

  constructor(private readonly pace: Pace) {}

  /** Resolves when the job has ended; rejects if Slurm has not answered for too long. */
  end(job: Job): Promise<TaskEnd> {
    const promise = new Promise<TaskEnd>((settle, fail) => this.jobs.set(job.id, { ...job, settle, fail }));
    if (!this.running) void this.watch();
    return promise;
  }

  /** Records the request, so that a job cancelled before it started counts as stopped. */
  stopping(id: JobId, how: 'interrupt' | 'kill'): void {
    const job = this.jobs.get(id);
    if (job !== undefined) job.stopped = how;
  }

  close(): void {
    this.closed = true;
  }

  private async watch(): Promise<void> {
    this.running = true;
    let answered = performance.now();
    let asked = answered;
    while (this.jobs.size > 0 && !this.closed) {
      this.readFiles();
      if (performance.now() - asked >= this.pace.slurm) {
        try {
          await this.askSlurm();
          answered = performance.now();
        } catch (error) {
          // the controller may be restarting; the end files still arrive
          if (performance.now() - answered > this.pace.patience) this.giveUp(error);
        }
        asked = performance.now();
      }
      await sleep(this.pace.files);
    }
    this.running = false;
  }

  private readFiles(): void {
    for (const job of this.jobs.values()) {
      const end = job.batch.scriptEnd(job.index);
      if (end === undefined || end.reason === 'slurm') continue;
      this.settle(job, { ...exitOf(end.code), timedOut: end.reason === 'timeout' && job.limited });
    }
  }

  private async askSlurm(): Promise<void> {
    const jobs = [...this.jobs.values()];
    const states = await statesOf([...new Set(jobs.map(({ id }) => id.split('_')[0]))]);
    this.readFiles();
    for (const job of jobs) {
      const state = states.get(job.id);
      if (!this.jobs.has(job.id)) continue;
      if (hasEnded(state)) this.endedBySlurm(job, state ?? FORGOTTEN);
      else job.endSeen = undefined;
    }
  }

  private endedBySlurm(job: Watched, state: string): void {
    const written = job.batch.scriptEnd(job.index);
    job.endSeen ??= performance.now();
    if (written === undefined && performance.now() - job.endSeen < this.pace.grace) return;
    const timedOut = state === 'TIMEOUT' && job.limited;
    const exit = written === undefined ? exitByState(state, job.stopped) : exitOf(written.code);
    this.settle(job, { ...exit, timedOut }, `Slurm reports state ${state} for job ${job.id}`);
  }

  private settle(job: Watched, end: Omit<TaskEnd, 'stderr'>, remark = ''): void {
    this.jobs.delete(job.id);
    job.settle({ ...end, stderr: `${job.batch.stderr(job.index)}\n${remark}`.trim() });
  }

  private giveUp(reason: unknown): void {
    for (const job of this.jobs.values()) job.fail(reason);
    this.jobs.clear();
  }
}

/** How a job ended whose script was killed: known only from its state. */
function exitByState(
  state: string,
  stopped: 'interrupt' | 'kill' | undefined,
): Pick<TaskEnd, 'exitCode' | 'signal'> {
  if (stopped === 'interrupt') return { exitCode: null, signal: 'SIGINT' };
  const killed = stopped === 'kill' || ['CANCELLED', 'OUT_OF_MEMORY', 'TIMEOUT'].includes(state);
  return { exitCode: null, signal: killed ? 'SIGKILL' : null };
}
