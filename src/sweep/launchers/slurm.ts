/**
 * Runs trials as Slurm jobs. Tasks that become ready together form one job array. Slurm decides
 * when and where they run, and starts them again if their node is lost or preempted. The sweep's
 * directory must be on a file system that the nodes share, and the program at the same path on each
 * node.
 */
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { programFile } from '../../util/root.js';
import type { Launcher, RunningTask, Task, TaskEnd } from '../launcher.js';
import {
  arraysNamed,
  exitOf,
  interrupt,
  type JobId,
  kill,
  LIMIT_SIGNAL,
  maxArraySize,
  SlurmBatch,
  statesOf,
  submit,
} from './slurm-jobs.js';

const PROGRAM = programFile('cli/main.js');
/** Tasks that become ready within this time, in milliseconds, share an array. */
const BATCHING_MS = 100;
/** Seconds before the limit at which a run is asked to stop. */
const LEAD_S = 60;
/** Slurm may send the signal up to this many seconds earlier (sbatch(1), --signal). */
const EARLY_S = 60;
/** The script of an array lists its tasks, and Slurm accepts scripts of up to 4 MiB. */
const MAX_ARRAY_TASKS = 500;

export interface Pace {
  /** Milliseconds between reads of the end files. */
  readonly files: number;
  /** Milliseconds between calls of squeue. */
  readonly slurm: number;
  /** Milliseconds that an end file may take to become visible on this machine. */
  readonly grace: number;
  /** Milliseconds without a response from Slurm after which the launcher fails. */
  readonly patience: number;
}

/** The Slurm manual allows a query every few seconds, since all users share the controller. */
const USUAL_PACE: Pace = { files: 500, slurm: 10_000, grace: 60_000, patience: 900_000 };

export interface SlurmOptions {
  /** The sweep's directory, absolute. */
  readonly directory: string;
  /** Further options of sbatch, such as `--partition=long`; they override those of the launcher. */
  readonly sbatch?: readonly string[];
  /** The program that runs the tasks. */
  readonly program?: string;
  readonly pace?: Pace;
}

interface Waiting {
  readonly task: Task;
  resolve(running: RunningTask): void;
  reject(reason: unknown): void;
}

export class SlurmLauncher implements Launcher {
  readonly name = 'slurm';
  private readonly directory: string;
  private readonly program: readonly string[];
  private readonly sbatch: readonly string[];
  private readonly watch: SlurmWatch;
  private batches: SlurmBatch[] = [];
  private maxArrayTasks = MAX_ARRAY_TASKS;
  private waiting: Waiting[] = [];

  constructor({ directory, sbatch = [], program = PROGRAM, pace = USUAL_PACE }: SlurmOptions) {
    this.directory = directory;
    this.sbatch = sbatch;
    this.program = [process.execPath, program];
    this.watch = new SlurmWatch(pace);
  }

  async open(): Promise<void> {
    this.maxArrayTasks = Math.min(MAX_ARRAY_TASKS, await maxArraySize());
    this.batches = SlurmBatch.all(this.directory);
    for (const batch of this.batches) if (batch.array === undefined) await this.findJobId(batch);
  }

  async start(task: Task): Promise<RunningTask> {
    const earlier = await this.alive(task);
    if (earlier !== undefined) return this.running(earlier);
    return new Promise((resolve, reject) => {
      this.waiting.push({ task, resolve, reject });
      if (this.waiting.length === 1) void this.submitSoon();
    });
  }

  async find(task: Task, id: string): Promise<RunningTask | undefined> {
    const job = this.submitted(task).find(known => known.id === id);
    if (job === undefined) return undefined;
    if (job.batch.scriptEnd(job.index) !== undefined) return this.running(job);
    return (await isAlive(job)) ? this.running(job) : undefined;
  }

  async close(): Promise<void> {
    this.watch.close();
  }

  /** Finds the job ID of an array whose submitting process was killed before recording it. */
  private async findJobId(batch: SlurmBatch): Promise<void> {
    const [array] = await arraysNamed(this.nameOf(batch), this.directory);
    if (array !== undefined) batch.array = array;
  }

  private nameOf({ folder }: SlurmBatch): string {
    return ['cellrun', basename(dirname(this.directory)), basename(this.directory), basename(folder)].join(
      '-',
    );
  }

  /**
   * A live job that an earlier process submitted for this task, even if the journal does not record
   * it.
   */
  private async alive(task: Task): Promise<Job | undefined> {
    for (const job of this.submitted(task)) {
      if (!job.batch.isDone(job.index) && (await isAlive(job))) return job;
    }
    return undefined;
  }

  /** The submitted jobs of a task, newest first. */
  private submitted({ id, timeout }: Task): Job[] {
    return this.batches.toReversed().flatMap(batch => {
      const index = batch.tasks.indexOf(id);
      const job = index < 0 ? undefined : batch.jobOf(index);
      return job === undefined ? [] : [{ id: job, batch, index, limited: timeout !== null }];
    });
  }

  private async submitSoon(): Promise<void> {
    await sleep(BATCHING_MS);
    const ready = this.waiting;
    this.waiting = [];
    for (const group of groupByOptions(ready).values()) {
      for (let at = 0; at < group.length; at += this.maxArrayTasks) {
        await this.submit(group.slice(at, at + this.maxArrayTasks));
      }
    }
  }

  private async submit(part: readonly Waiting[]): Promise<void> {
    try {
      const tasks = part.map(({ task }) => task);
      const batch = SlurmBatch.create(this.directory, tasks, this.program);
      batch.array = await submit(this.optionsFor(batch, tasks[0]), batch.script);
      this.batches.push(batch);
      for (const { task, resolve } of part) {
        const [job] = this.submitted(task);
        resolve(this.running(job));
      }
    } catch (error) {
      for (const { reject } of part) reject(error);
    }
  }

  private optionsFor(batch: SlurmBatch, { threads, timeout }: Task): string[] {
    return [
      `--array=0-${batch.tasks.length - 1}`,
      `--job-name=${this.nameOf(batch)}`,
      `--chdir=${this.directory}`,
      '--ntasks=1',
      `--cpus-per-task=${threads}`,
      ...(timeout === null ? [] : [`--time=${Math.ceil((timeout + LEAD_S + EARLY_S) / 60)}`]),
      `--signal=B:${LIMIT_SIGNAL}@${LEAD_S}`,
      '--requeue',
      // keeps the output from before a requeue
      '--open-mode=append',
      '--output=/dev/null',
      `--error=${batch.stderrPattern}`,
      ...this.sbatch,
    ];
  }

  private running(job: Job): RunningTask {
    return {
      process: job.id,
      end: this.watch.end(job),
      stop: how => this.stop(job.id, how),
    };
  }

  private async stop(id: JobId, how: 'interrupt' | 'kill'): Promise<void> {
    this.watch.stopping(id, how);
    await (how === 'kill' ? kill(id) : interrupt(id));
  }
}

/** Groups tasks by their sbatch options, which all tasks of an array share. */
function groupByOptions(ready: readonly Waiting[]): Map<string, Waiting[]> {
  const groups = new Map<string, Waiting[]>();
  for (const waiting of ready) {
    const { threads, timeout } = waiting.task;
    const key = `${threads} ${timeout}`;
    groups.set(key, [...(groups.get(key) ?? []), waiting]);
  }
  return groups;
}

async function isAlive({ id }: Job): Promise<boolean> {
  const states = await statesOf([id.split('_')[0]]);
  return !hasEnded(states.get(id));
}

interface Job {
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

function hasEnded(state: string | undefined): boolean {
  return state === undefined || ENDED.has(state);
}

/**
 * Waits for jobs to end. It polls the scripts' end files often, which costs Slurm nothing, and asks
 * Slurm rarely, to find jobs whose script could not write one: cancelled, out of memory, timed out,
 * or on a lost node.
 */
class SlurmWatch {
  private readonly jobs = new Map<JobId, Watched>();
  private running = false;
  private closed = false;

  constructor(private readonly pace: Pace) {}

  /** Resolves when the job has ended; rejects if Slurm has not responded for too long. */
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
    let responded = performance.now();
    let asked = responded;
    while (this.jobs.size > 0 && !this.closed) {
      this.readFiles();
      if (performance.now() - asked >= this.pace.slurm) {
        try {
          await this.askSlurm();
          responded = performance.now();
        } catch (error) {
          // the controller may be restarting; the end files still arrive
          if (performance.now() - responded > this.pace.patience) this.giveUp(error);
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
