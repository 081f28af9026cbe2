/**
 * Runs trials as Slurm jobs. Tasks that become ready together form one job array. Slurm decides
 * when and where they run, and starts them again if their node is lost or preempted. The sweep's
 * directory must be on a file system that the nodes share, and the program at the same path on each
 * node.
 */
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { programFile } from '../../util/root.js';
import type { Launcher, RunningTask, Task } from '../launcher.js';
import { SlurmBatch } from './slurm-batch.js';
import {
  arraysNamed,
  interrupt,
  type JobId,
  kill,
  maxArraySize,
  statesOf,
  submit,
} from './slurm-commands.js';
import { LIMIT_SIGNAL } from './slurm-script.js';
import { hasEnded, type Job, type Pace, SlurmWatch, USUAL_PACE } from './slurm-watch.js';

const PROGRAM = programFile('cli/main.js');
/** Tasks that become ready within this time, in milliseconds, share an array. */
const BATCHING_MS = 100;
/** Seconds before the limit at which a run is asked to stop. */
const LEAD_S = 60;
/** Slurm may send the signal up to this many seconds earlier (sbatch(1), --signal). */
const EARLY_S = 60;
/** The script of an array lists its tasks, and Slurm accepts scripts of up to 4 MiB. */
const MAX_ARRAY_TASKS = 500;

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
