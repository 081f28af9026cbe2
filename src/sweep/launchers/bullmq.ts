/**
 * Runs trials as jobs of a BullMQ queue, executed by workers (`cellrun worker`) on any machine that
 * has the sweep's directory at the same path. Jobs live in Redis: they survive this process, their
 * worker and, if the server persists its data (`appendonly yes`), a restart of the server.
 */
import type { Job, Queue, QueueEvents } from 'bullmq';
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
  readEnd,
  type StopRequest,
  stoppedEnd,
  unreachableError,
} from './queue.js';

/**
 * Events report ends at once; polling finds those whose event was missed, such as during an outage.
 */
const POLL_MS = 5_000;
/** Milliseconds without the server after which the launcher fails. */
const PATIENCE_MS = 900_000;
/**
 * Retries for workers that cannot start a process. A task that fails is a result for BullMQ, not a
 * failed job.
 */
const ATTEMPTS = { attempts: 3, backoff: { type: 'exponential', delay: 1_000 } };
/** How long a finished job is kept, in seconds, for a sweep that is resumed later. */
const KEPT = { age: 14 * 24 * 3600 };

export interface BullmqOptions {
  /** `redis://…`, see `parseQueue`. */
  readonly queue: string;
  /** The sweep's directory or one above it: the `--root` that a worker needs. */
  readonly folder: string;
  /** Prints a warning. */
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
  /** Jobs that were in no list of the queue when last checked. */
  private readonly unlisted = new Set<string>();
  /** Jobs whose check is still pending: polls of a slow server would overtake each other. */
  private readonly checking = new Set<string>();
  private service: Service | undefined;
  /** When the connection was lost, on the clock of `performance`. */
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
    events.on('completed', ({ jobId }) => this.check(jobId));
    events.on('failed', ({ jobId }) => this.check(jobId));
    await events.waitUntilReady();
    this.service = { connection, queue, events, timer: setInterval(() => this.checkAll(), this.poll) };
  }

  async start(task: Task): Promise<RunningTask> {
    const id = jobId(task);
    const earlier = await this.queue.getJob(id);
    // a finished job was stopped before its task was done, or the sweep retries it
    if (earlier && (await isFinished(earlier))) await earlier.remove();
    // has no effect if a job with this ID exists
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
    // closing would wait for a server that is gone
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
    this.check(id);
    return { process: id, end, stop: how => this.stop(id, how) };
  }

  private noteLoss(): void {
    if (this.service?.connection.status !== 'ready') this.goneSince ??= performance.now();
  }

  private checkAll(): void {
    if (this.goneSince !== undefined) {
      if (performance.now() - this.goneSince > this.patience) this.giveUp();
      return;
    }
    if (this.awaited.size === 0) return;
    this.missing.check(this.queue).catch(() => this.noteLoss());
    for (const id of this.awaited.keys()) if (!this.checking.has(id)) this.check(id);
  }

  private check(id: string): void {
    if (!this.awaited.has(id)) return;
    this.checking.add(id);
    this.endOf(id)
      .then(
        end => {
          if (end !== undefined) this.settle(id, end);
        },
        // the server is gone; the next poll tries again
        () => this.noteLoss(),
      )
      .finally(() => this.checking.delete(id));
  }

  private async endOf(id: string): Promise<TaskEnd | undefined> {
    const job = await this.queue.getJob(id);
    if (!job) return { ...lostEnd(`job ${id} is no longer in the queue`), wasForgotten: true };
    const state = await job.getState();
    if (state === 'unknown') return this.unlistedEnd(job, id);
    this.unlisted.delete(id);
    if (state === 'completed') return readEnd((await this.queue.getJob(id))?.returnvalue);
    if (state === 'failed') return lostEnd((await this.queue.getJob(id))?.failedReason ?? '');
    return undefined;
  }

  /**
   * A server that is short of memory may have dropped the list that the job was in: then no worker
   * ever takes it. Rejects if a worker still has it, whose lease ends.
   */
  private async unlistedEnd(job: TaskJob, id: string): Promise<TaskEnd | undefined> {
    if (!this.unlisted.has(id)) {
      this.unlisted.add(id);
      return undefined;
    }
    await job.remove();
    this.unlisted.delete(id);
    return { ...lostEnd(`the queue has lost the list with job ${id}`), wasForgotten: true };
  }

  /**
   * A waiting job is removed from the queue; the worker of an active one reads the request from it.
   */
  private async stop(id: string, how: StopRequest): Promise<void> {
    const job = await this.queue.getJob(id);
    if (!job || (await isFinished(job))) return;
    await job.updateData({ ...job.data, stop: how });
    if (await job.isActive()) return;
    try {
      await job.remove();
    } catch {
      // a worker has just taken it, including the request
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
      fail(unreachableError(this.address.shown, 'the connection was lost'));
    this.awaited.clear();
  }
}

async function isFinished(job: TaskJob): Promise<boolean> {
  return (await job.isCompleted()) || (await job.isFailed());
}

/** Milliseconds between warnings that no worker runs. */
const EVERY_MS = 600_000;

/** Warns that tasks wait and no worker runs: as soon as it is noticed, then every ten minutes. */
export class MissingWorkers {
  /** When it last warned, on the clock of `performance`. */
  private lastWarning = Number.NEGATIVE_INFINITY;
  /**
   * Prevents a second query while a slow server has not answered the first, so that a warning is
   * not repeated.
   */
  private isChecking = false;

  /** @param folder of the sweep's runs, at the same path on all machines */
  constructor(
    private readonly address: QueueAddress,
    private readonly folder: string,
    private readonly warn: (text: string) => void,
  ) {}

  /** Rejects if the server is gone. */
  async check(queue: Pick<Queue, 'getWorkersCount'>): Promise<void> {
    if (this.isChecking || performance.now() - this.lastWarning < EVERY_MS) return;
    this.isChecking = true;
    try {
      if ((await queue.getWorkersCount()) > 0) return;
    } finally {
      this.isChecking = false;
    }
    this.lastWarning = performance.now();
    const { shown, argument } = this.address;
    this.warn(
      `tasks wait in ${shown}, but no worker is running; start one with: cellrun worker --queue '${argument}' --root '${this.folder}'`,
    );
  }
}
