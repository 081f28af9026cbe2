/**
 * Trials as jobs of a BullMQ queue, carried out by workers (`cellrun worker`) on any machine that
 * sees the sweep's directory at the same path. Jobs are in Redis: they outlive this process, a
 * worker, and the server's restart where it keeps its data (`appendonly yes`).
 */
import type { Job, Queue, QueueEvents } from 'bullmq';
import type { Redis } from 'ioredis';
import { type Launcher, NOT_IN_QUEUE, type RunningTask, type Task, type TaskEnd } from '../launcher.js';
import { MissingWorkers } from './missing-workers.js';
import { lost, openQueue, parseQueue, type QueueAddress } from './queue-connection.js';
import {
  jobId,
  lostEnd,
  type QueueJob,
  queueJob,
  readEnd,
  type StopRequest,
  stoppedEnd,
} from './queue-job.js';

/**
 * Events tell of ends at once; this finds those of which no event came, such as after the server
 * was gone.
 */
const POLL_MS = 5_000;
/** How long the server may be gone before there is no hope of it. */
const PATIENCE_MS = 900_000;
/**
 * For workers that cannot even start a process; how a task ends is its result and none of BullMQ's
 * failures.
 */
const ATTEMPTS = { attempts: 3, backoff: { type: 'exponential', delay: 1_000 } };
/** Seconds that a job is kept after its end, for a sweep that is gone on with later. */
const KEPT = { age: 14 * 24 * 3600 };

export interface BullmqOptions {
  /** `redis://…`, see `parseQueue`. */
  readonly queue: string;
  /** What a worker must be allowed to touch: the sweep's directory, or one above it. */
  readonly folder: string;
  /** Told to people. */
  warn(text: string): void;
  readonly poll?: number;
  readonly patience?: number;
}

interface Awaited {
  settle(end: TaskEnd): void;
  fail(reason: unknown): void;
}

type TaskJob = Job<QueueJob, unknown>;

interface Service {
  readonly connection: Redis;
  readonly queue: Queue<QueueJob, unknown>;
  readonly events: QueueEvents;
  readonly timer: NodeJS.Timeout;
}

export class BullmqLauncher implements Launcher {
  readonly name = 'bullmq';
  private readonly address: QueueAddress;
  private readonly poll: number;
  private readonly patience: number;
  private readonly missing: MissingWorkers;
  private readonly awaited = new Map<string, Awaited>();
  private service: Service | undefined;
  /** Since when the server is gone, on the clock of `performance`. */
  private goneSince: number | undefined;

  /** @throws UserError (exit 2) if `queue` is not an address */
  constructor({ queue, folder, warn, poll = POLL_MS, patience = PATIENCE_MS }: BullmqOptions) {
    this.address = parseQueue(queue);
    this.missing = new MissingWorkers(this.address, folder, warn);
    this.poll = poll;
    this.patience = patience;
  }

  async open(): Promise<void> {
    const library = await openQueue(this.address);
    const connection = library.connect(this.address);
    const queue = new library.Queue<QueueJob, unknown>(this.address.name, { connection });
    const events = new library.QueueEvents(this.address.name, { connection });
    queue.on('error', () => this.noteLoss());
    events.on('error', () => this.noteLoss());
    connection.on('close', () => this.noteLoss());
    connection.on('ready', () => {
      this.goneSince = undefined;
    });
    events.on('completed', ({ jobId }) => this.look(jobId));
    events.on('failed', ({ jobId }) => this.look(jobId));
    await events.waitUntilReady();
    this.service = { connection, queue, events, timer: setInterval(() => this.lookAtAll(), this.poll) };
  }

  async start(task: Task): Promise<RunningTask> {
    const id = jobId(task);
    const earlier = await this.queue.getJob(id);
    // one that has ended was stopped before its task was done, or the sweep tries again
    if (earlier && (await isFinished(earlier))) await earlier.remove();
    // nothing happens where a job of this name is there already
    await this.queue.add('task', queueJob(task), {
      jobId: id,
      ...ATTEMPTS,
      removeOnComplete: KEPT,
      removeOnFail: KEPT,
    });
    return this.running(id);
  }

  async find(task: Task, process: string): Promise<RunningTask | undefined> {
    const id = jobId(task);
    if (process !== id || !(await this.queue.getJob(id))) return undefined;
    return this.running(id);
  }

  async close(): Promise<void> {
    if (this.service === undefined) return;
    const { connection, queue, events, timer } = this.service;
    clearInterval(timer);
    const closed = Promise.allSettled([events.close(), queue.close()]);
    // it would wait for a server that is gone
    if (this.goneSince === undefined) await closed;
    connection.disconnect();
  }

  private get queue(): Queue<QueueJob, unknown> {
    if (this.service === undefined) throw new Error('the launcher is not open');
    return this.service.queue;
  }

  private running(id: string): RunningTask {
    const end = new Promise<TaskEnd>((settle, fail) => this.awaited.set(id, { settle, fail }));
    // it may have ended before
    this.look(id);
    return { process: id, end, stop: how => this.stop(id, how) };
  }

  private noteLoss(): void {
    if (this.service?.connection.status !== 'ready') this.goneSince ??= performance.now();
  }

  private lookAtAll(): void {
    if (this.goneSince !== undefined) {
      if (performance.now() - this.goneSince > this.patience) this.giveUp();
      return;
    }
    if (this.awaited.size === 0) return;
    this.missing.look(this.queue).catch(() => this.noteLoss());
    for (const id of this.awaited.keys()) this.look(id);
  }

  private look(id: string): void {
    if (!this.awaited.has(id)) return;
    this.endOf(id).then(
      end => {
        if (end !== undefined) this.settle(id, end);
      },
      // the server is gone, or going; there will be another look
      () => this.noteLoss(),
    );
  }

  private async endOf(id: string): Promise<TaskEnd | undefined> {
    const job = await this.queue.getJob(id);
    if (!job) return lostEnd(`job ${id} ${NOT_IN_QUEUE}`);
    if (await job.isCompleted()) return readEnd((await this.queue.getJob(id))?.returnvalue);
    if (await job.isFailed()) return lostEnd((await this.queue.getJob(id))?.failedReason ?? '');
    return undefined;
  }

  /**
   * A job that still waits is taken out of the queue; the worker of one that runs finds the request
   * in it.
   */
  private async stop(id: string, how: StopRequest): Promise<void> {
    const job = await this.queue.getJob(id);
    if (!job || (await isFinished(job))) return;
    await job.updateData({ ...job.data, stop: how });
    if (await job.isActive()) return;
    try {
      await job.remove();
    } catch {
      // a worker has just taken it, with the request
      return;
    }
    this.settle(id, stoppedEnd(how));
  }

  private settle(id: string, end: TaskEnd): void {
    this.awaited.get(id)?.settle(end);
    this.awaited.delete(id);
  }

  private giveUp(): void {
    for (const { fail } of this.awaited.values())
      fail(lost(this.address.shown, 'it has been gone for too long'));
    this.awaited.clear();
  }
}

async function isFinished(job: TaskJob): Promise<boolean> {
  return (await job.isCompleted()) || (await job.isFailed());
}
