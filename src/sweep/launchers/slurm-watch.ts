/**
 * Waits for the ends of jobs. What a script wrote down is looked for often, since that asks nobody;
 * Slurm is asked now and then, for those whose script did not live to write: cancelled, out of
 * memory, over their time, lost with their node.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { TaskEnd } from '../launcher.js';
import { exitOf, type SlurmBatch } from './slurm-batch.js';
import { type JobId, statesOf } from './slurm-commands.js';

export interface Pace {
  /** Milliseconds between two looks at the files. */
  readonly files: number;
  /** Between two questions to Slurm. */
  readonly slurm: number;
  /** How long a file may take to be seen here after its job has ended there. */
  readonly grace: number;
  /** How long Slurm may give no answer before there is no hope of one. */
  readonly patience: number;
}

/** Slurm's controller serves everybody: a question every few seconds is what its manual allows. */
export const USUAL_PACE: Pace = { files: 500, slurm: 10_000, grace: 60_000, patience: 900_000 };

export interface Job {
  readonly id: JobId;
  readonly batch: SlurmBatch;
  readonly index: number;
  /** Whether its time limit is the task's, and not only the partition's. */
  readonly limited: boolean;
}

interface Watched extends Job {
  /** What the one who stopped it asked for. */
  stopped?: 'interrupt' | 'kill';
  /** When it was first seen to have ended, on the clock of `performance`. */
  endSeen?: number;
  settle(end: TaskEnd): void;
  fail(reason: unknown): void;
}

/**
 * From squeue(1): a job in one of them does not go on. All others wait, run, or are about to be
 * started again.
 */
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

/** Of a job that is no longer in Slurm's memory. */
const FORGOTTEN = 'forgotten';

export function hasEnded(state: string | undefined): boolean {
  return state === undefined || ENDED.has(state);
}

export class SlurmWatch {
  private readonly jobs = new Map<JobId, Watched>();
  private running = false;
  private closed = false;

  constructor(private readonly pace: Pace) {}

  /** Settles when the job has ended; rejects where Slurm has given no answer for too long. */
  end(job: Job): Promise<TaskEnd> {
    const promise = new Promise<TaskEnd>((settle, fail) => this.jobs.set(job.id, { ...job, settle, fail }));
    if (!this.running) void this.watch();
    return promise;
  }

  /** So that a job which is cancelled before it began has ended as it was asked to. */
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
          // the controller may be restarted, and the files still come
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
    this.settle(job, { ...exit, timedOut }, `Slurm says of job ${job.id}: ${state}`);
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

/** Where the script itself was ended, its state is all that is known. */
function exitByState(
  state: string,
  stopped: 'interrupt' | 'kill' | undefined,
): Pick<TaskEnd, 'exitCode' | 'signal'> {
  if (stopped === 'interrupt') return { exitCode: null, signal: 'SIGINT' };
  const killed = stopped === 'kill' || ['CANCELLED', 'OUT_OF_MEMORY', 'TIMEOUT'].includes(state);
  return { exitCode: null, signal: killed ? 'SIGKILL' : null };
}
