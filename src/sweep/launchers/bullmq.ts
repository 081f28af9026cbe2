/**
 * Runs trials as jobs of a BullMQ queue for workers (`cellrun worker`) on machines that have the
 * sweep's directory at the same path. Jobs survive this process, their worker and, if Redis
 * persists its data (`appendonly yes`), a restart of Redis.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Launcher, RunningTask, Task, TaskEnd } from '../launcher.js';
import {
  jobId,
  lostEnd,
  openQueue,
  parseQueue,
  type QueueAddress,
  type QueueJob,
  queueJob,
  type StopRequest,
  stoppedEnd,
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
  private readonly address: QueueAddress;
  private service: { readonly connection: Redis; readonly queue: Queue<QueueJob, TaskEnd> } | undefined;
  /** Jobs that were stopped before a worker took them. */
  private readonly stopped = new Map<string, StopRequest>();
  private isClosed = false;
  private hasWarned = false;
  private giveUp: (reason: unknown) => void = () => {};
  private readonly gone = new Promise<never>((_, reject) => {
    this.giveUp = reject;
  });

  constructor(private readonly options: BullmqOptions) {
    this.address = parseQueue(options.queue);
    this.gone.catch(() => {});
  }

  async open(): Promise<void> {
    const { patience = 900_000 } = this.options;
    const library = await openQueue(this.address);
    const connection = library.connect(this.address);
    let timer: NodeJS.Timeout | undefined;
    connection.on('close', () => {
      const reason = unreachableError(this.address.shown, 'the connection was lost');
      if (!this.isClosed) timer ??= setTimeout(() => this.giveUp(reason), patience);
    });
    connection.on('ready', () => {
      clearTimeout(timer);
      timer = undefined;
    });
    const queue = new library.Queue<QueueJob, TaskEnd>(this.address.name, { connection });
    queue.on('error', () => {});
    await queue.waitUntilReady();
    this.service = { connection, queue };
  }

  async start(task: Task): Promise<RunningTask> {
    const id = jobId(task);
    const state = await this.queue.getJobState(id);
    // stopped before its task was done, retried by the sweep, or in a list that the server has lost
    if (state === 'completed' || state === 'failed' || state === 'unknown') await this.queue.remove(id);
    this.stopped.delete(id);
    // has no effect if a job with this ID exists
    await this.queue.add('task', queueJob(task), {
      jobId: id,
      removeOnComplete: KEPT,
      removeOnFail: KEPT,
    });
    return this.running(id);
  }

  async find(task: Task, process: string): Promise<RunningTask | undefined> {
    const id = jobId(task);
    return process === id && (await this.queue.getJob(id)) ? this.running(id) : undefined;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    if (this.service === undefined) return;
    const { connection, queue } = this.service;
    // closing would wait for a server that is gone
    if (connection.status === 'ready') await queue.close();
    connection.disconnect();
  }

  private get queue(): Queue<QueueJob, TaskEnd> {
    if (this.service === undefined) throw new Error('the launcher is not open');
    return this.service.queue;
  }

  private running(id: string): RunningTask {
    return { process: id, end: Promise.race([this.ended(id), this.gone]), stop: how => this.stop(id, how) };
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
    const stopped = this.stopped.get(id);
    if (stopped !== undefined) return stoppedEnd(stopped);
    const state = await this.queue.getJobState(id);
    if (state === 'unknown' && !this.stopped.has(id))
      return { ...lostEnd(`job ${id} is no longer in the queue`), wasForgotten: true };
    if (state === 'completed') return (await this.queue.getJob(id))?.returnvalue;
    if (state === 'failed') return lostEnd((await this.queue.getJob(id))?.failedReason ?? '');
    if (state === 'waiting' && !this.hasWarned) await this.warnIfAlone();
    return undefined;
  }

  /** A waiting job is removed; the worker of an active one reads the request from it. */
  private async stop(id: string, how: StopRequest): Promise<void> {
    const job = await this.queue.getJob(id);
    if (!job || job.finishedOn !== undefined) return;
    await job.updateData({ ...job.data, stop: how });
    if (await job.isActive()) return;
    this.stopped.set(id, how);
    // if a worker has just taken it, it reads the request too
    await job.remove().catch(() => this.stopped.delete(id));
  }

  private async warnIfAlone(): Promise<void> {
    // also while a slow server has not answered
    this.hasWarned = true;
    this.hasWarned = (await this.queue.getWorkersCount()) === 0;
    if (!this.hasWarned) return;
    const { shown } = this.address;
    this.options.warn(
      `tasks wait in ${shown}, but no worker is running; start one with: cellrun worker --queue '${shown}' --root '${this.options.folder}'`,
    );
  }
}
