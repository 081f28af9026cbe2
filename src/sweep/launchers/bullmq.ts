/**
 * Runs trials as jobs of a BullMQ queue for workers (`cellrun worker`) on machines that have the
 * sweep's directory at the same path. Jobs survive this process, their worker and, if Redis
 * persists its data (`appendonly yes`), a restart of Redis.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Launcher, RunningTask, Task, TaskEnd } from '../launcher.js';
import {
  jobId,
  lostEnd,
  openQueue,
  parseQueue,
  queueJob,
  type TaskQueue,
  unreachableError,
} from './queue.js';

/** How long a finished job is kept, in seconds, for a sweep that is resumed later. */
const KEPT = { age: 14 * 24 * 3600 };

export interface BullmqOptions {
  readonly queue: string;
  /** The sweep's directory or one above it: the `--root` that a worker needs. */
  readonly folder: string;
  warn(text: string): void;
  /** Milliseconds between checks of a job. */
  readonly poll?: number;
  /** Milliseconds without the server after which the launcher fails. */
  readonly patience?: number;
}

export class BullmqLauncher implements Launcher {
  readonly name = 'bullmq';
  private isClosed = false;
  private hasWarned = false;
  /** Rejects once the server has been gone for too long. */
  private readonly gone: Promise<never>;

  private constructor(
    private readonly options: BullmqOptions,
    /** The address for messages. */
    private readonly shown: string,
    private readonly service: TaskQueue,
  ) {
    const { patience = 900_000 } = options;
    const { connection, queue } = service;
    this.gone = new Promise((_, reject) => {
      const giveUp = () => reject(unreachableError(shown, 'the connection was lost'));
      let timer: NodeJS.Timeout | undefined;
      connection.on('close', () => {
        if (!this.isClosed) timer ??= setTimeout(giveUp, patience);
      });
      connection.on('ready', () => {
        clearTimeout(timer);
        timer = undefined;
      });
    });
    this.gone.catch(() => {});
    queue.on('error', () => {});
  }

  static async open(options: BullmqOptions): Promise<BullmqLauncher> {
    const address = parseQueue(options.queue);
    return new BullmqLauncher(options, address.shown, await openQueue(address));
  }

  async start(task: Task): Promise<RunningTask> {
    const id = jobId(task);
    const { queue } = this.service;
    const state = await queue.getJobState(id);
    // stopped before its task was done, retried by the sweep, or in a list that the server has lost
    if (state === 'completed' || state === 'failed' || state === 'unknown') await queue.remove(id);
    // has no effect if a job with this ID exists
    await queue.add('task', queueJob(task), {
      jobId: id,
      removeOnComplete: KEPT,
      removeOnFail: KEPT,
    });
    return this.running(id);
  }

  async find(task: Task, process: string): Promise<RunningTask | undefined> {
    const id = jobId(task);
    return process === id && (await this.service.queue.getJob(id)) ? this.running(id) : undefined;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const { connection, queue } = this.service;
    // closing would wait for a server that is gone
    if (connection.status === 'ready') await queue.close();
    connection.disconnect();
  }

  private running(id: string): RunningTask {
    return { process: id, end: Promise.race([this.ended(id), this.gone]), stop: () => this.stop(id) };
  }

  private async ended(id: string): Promise<TaskEnd> {
    const { poll = 1000 } = this.options;
    while (!this.isClosed) {
      // the server may be gone; the next poll tries again
      const end = await this.endOf(id).catch(() => undefined);
      if (end !== undefined) return end;
      await sleep(poll);
    }
    return new Promise(() => {});
  }

  private async endOf(id: string): Promise<TaskEnd | undefined> {
    const state = await this.service.queue.getJobState(id);
    if (state === 'unknown') return { ...lostEnd(`job ${id} is no longer in the queue`), wasForgotten: true };
    if (state === 'completed') return (await this.service.queue.getJob(id))?.returnvalue;
    if (state === 'failed') return lostEnd((await this.service.queue.getJob(id))?.failedReason ?? '');
    if (state === 'waiting' && !this.hasWarned) await this.warnIfAlone();
    return undefined;
  }

  /** A waiting job is removed; the worker of an active one reads the request from it. */
  private async stop(id: string): Promise<void> {
    const job = await this.service.queue.getJob(id);
    if (!job || job.finishedOn !== undefined) return;
    await job.updateData({ ...job.data, stop: true });
    // fails if a worker has it, also if it has just taken it
    await job.remove().catch(() => {});
  }

  private async warnIfAlone(): Promise<void> {
    // also while a slow server has not answered
    this.hasWarned = true;
    this.hasWarned = (await this.service.queue.getWorkersCount()) === 0;
    if (!this.hasWarned) return;
    this.options.warn(
      `tasks wait in ${this.shown}, but no worker is running; start one with: cellrun worker --queue '${this.shown}' --root '${this.options.folder}'`,
    );
  }
}
