/**
 * A worker of a queue: takes jobs and runs each in a child process, so that its own process stays
 * free to renew its locks. BullMQ assigns jobs to workers, and reassigns those of a lost worker.
 */
import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Queue, Worker } from 'bullmq';
import { isLocked, monotonicNow } from '../../run/lock.js';
import { EXIT, UserError } from '../../util/errors.js';
import { programFile } from '../../util/root.js';
import type { RunningTask, Task, TaskEnd, TaskLease } from '../launcher.js';
import { foundInUse, isPausedAt, untilFree } from '../segment.js';
import { LocalLauncher } from './local.js';
import {
  openQueue,
  parseQueue,
  type QueueJob,
  type QueueLibrary,
  refusedEnd,
  type StopRequest,
  stoppedEnd,
  taskOfJob,
} from './queue.js';

const PROGRAM = programFile('cli/main.js');
/** Milliseconds between checks for requests to stop a job. */
const POLL_MS = 1_000;
/**
 * Workers that a job may lose. It is usually not the job's fault, but a job that takes down every
 * worker must end.
 */
const MAX_LOSSES = 10;

export interface WorkerPlan {
  /** `redis://…`, see `parseQueue`. */
  readonly queue: string;
  /** Absolute path without links; no run outside of it is touched. */
  readonly root: string;
  /** Maximum number of concurrent jobs. */
  readonly concurrency: number;
  /** Seconds without a heartbeat after which a worker's jobs go to other workers. */
  readonly lease: number;
  /** Prints a line. */
  log(line: string): void;
}

/**
 * Works until `signal` is aborted, then interrupts running jobs and returns them to the queue.
 * @throws UserError (exit 2) if the queue cannot be reached
 */
export async function workOn(plan: WorkerPlan, signal: AbortSignal): Promise<void> {
  const address = parseQueue(plan.queue);
  const library = await openQueue(address);
  const connection = library.connect(address);
  const queue = new library.Queue<QueueJob, TaskEnd>(address.name, { connection });
  const work = new Work(plan, library, queue, signal);
  const worker = work.start(
    new library.Worker(address.name, (job, token) => work.process(job, token), {
      connection,
      concurrency: plan.concurrency,
      name: `${hostname()}:${process.pid}`,
      lockDuration: plan.lease * 1000,
      stalledInterval: (plan.lease * 1000) / 2,
      maxStalledCount: MAX_LOSSES,
    }),
  );
  plan.log(`waiting for tasks of ${address.shown} in ${plan.root}`);
  await aborted(signal);
  await worker.pause(true);
  await worker.close();
  work.end();
  await queue.close();
  connection.disconnect();
}

class Work {
  private readonly running = new Map<string, RunningTask>();
  private readonly launcher = new LocalLauncher(PROGRAM);
  private readonly leases: Leases;
  private hasWarned = false;

  constructor(
    private readonly plan: WorkerPlan,
    private readonly library: QueueLibrary,
    private readonly queue: Queue<QueueJob, TaskEnd>,
    private readonly signal: AbortSignal,
  ) {
    this.leases = new Leases(plan.lease * 1000);
    signal.addEventListener('abort', () => {
      for (const task of this.running.values()) void task.stop('interrupt');
    });
  }

  start(worker: Worker<QueueJob, TaskEnd>): Worker<QueueJob, TaskEnd> {
    worker.on('locksRenewed', ({ jobIds }) => this.leases.renewed(jobIds));
    worker.on('lockRenewalFailed', ids => this.leases.lost(ids));
    // an outage causes many errors; one line is enough
    const warn = (error: Error) => {
      if (!this.hasWarned) this.plan.log(`queue error: ${error.message}`);
      this.hasWarned = true;
    };
    worker.on('error', warn);
    this.queue.on('error', warn);
    worker.on('ready', () => {
      this.hasWarned = false;
    });
    void this.watchRequests();
    return worker;
  }

  async process(job: Job<QueueJob, TaskEnd>, token: string | undefined): Promise<TaskEnd> {
    const task = this.taskOf(job);
    if (!('args' in task)) return task;
    if (this.signal.aborted) return this.requeue(job, token);
    if (job.attemptsStarted > 1) await this.waitForEarlierWorker(task);
    this.plan.log(`${task.id}: ${task.directory}`);
    const id = job.id ?? task.id;
    const end = await this.run(id, task);
    this.plan.log(`${task.id}: ${describeEnd(end, task)}`);
    // a process that this worker stopped has no result
    const isOurs = this.leases.end(id) || this.signal.aborted;
    if (foundInUse(end)) {
      await sleep(POLL_MS);
      return this.requeue(job, token);
    }
    const wasInterrupted = end.exitCode === EXIT.interrupted || end.signal !== null;
    return isOurs && wasInterrupted && !end.timedOut ? this.requeue(job, token) : end;
  }

  end(): void {
    this.leases.close();
  }

  /** The task of a job, or its result if there is nothing to do. */
  private taskOf(job: Job<QueueJob, TaskEnd>): Task | TaskEnd {
    try {
      const { task, stop } = taskOfJob(job.data, this.plan.root);
      return stop === null ? task : stoppedEnd(stop);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.plan.log(`${job.id}: ${error.message}`);
      return refusedEnd(error);
    }
  }

  private async run(id: string, task: Task): Promise<TaskEnd> {
    const running = await this.launcher.start(task);
    this.running.set(id, running);
    this.leases.start(
      id,
      how => void running.stop(how),
      lease => running.lease?.(lease),
    );
    try {
      if (this.signal.aborted) await running.stop('interrupt');
      return await running.end;
    } finally {
      this.running.delete(id);
    }
  }

  /**
   * Waits for the process of a job's earlier worker. That process stops by itself before its lease
   * ends. If it still holds the run a lease later, it is suspended or on an unreachable machine:
   * removing its lock makes it stop before it writes anything, should it wake up
   * (`run/lock.ts`).
   */
  private async waitForEarlierWorker({ directory }: Task): Promise<void> {
    // not `AbortSignal.any`: on Node 20 a timeout signal that only it references may be
    // garbage-collected and never fire
    const limit = new AbortController();
    const stopWaiting = () => limit.abort();
    const timer = setTimeout(stopWaiting, this.plan.lease * 1000);
    this.signal.addEventListener('abort', stopWaiting);
    await untilFree(directory, limit.signal);
    clearTimeout(timer);
    this.signal.removeEventListener('abort', stopWaiting);
    const lock = join(directory, 'run.lock');
    if (!this.signal.aborted && isLocked(lock)) rmSync(lock, { force: true });
  }

  private async requeue(job: Job<QueueJob, TaskEnd>, token: string | undefined): Promise<never> {
    await job.moveToWait(token);
    this.plan.log(`${job.data.id}: returned to the queue`);
    throw new this.library.WaitingError();
  }

  /** Stops jobs whose sweep has written a request into them. */
  private async watchRequests(): Promise<void> {
    const asked = new Map<string, StopRequest>();
    while (!this.signal.aborted) {
      await sleep(POLL_MS, undefined, { ref: false });
      for (const [id, task] of this.running) {
        const stop = await this.requestFor(id);
        if (stop === null || asked.get(id) === stop) continue;
        asked.set(id, stop);
        await task.stop(stop);
      }
      for (const id of asked.keys()) if (!this.running.has(id)) asked.delete(id);
    }
  }

  private async requestFor(id: string): Promise<StopRequest | null> {
    try {
      return (await this.queue.getJob(id))?.data.stop ?? null;
    } catch {
      // an outage, which the error events report
      return null;
    }
  }
}

export function describeEnd(
  { exitCode, signal, timedOut }: TaskEnd,
  { to, timeout, directory }: Pick<Task, 'to' | 'timeout' | 'directory'>,
): string {
  if (timedOut) return `stopped: timed out after ${timeout} s`;
  if (signal !== null) return `killed by ${signal}`;
  switch (exitCode) {
    case null:
      return 'could not be started';
    case EXIT.done:
      return 'done';
    case EXIT.gate:
      return 'done, but a gate failed';
    case EXIT.diverged:
      return 'diverged';
    case EXIT.interrupted:
      return isPausedAt(directory, to)
        ? `trained to epoch ${to} and paused`
        : 'interrupted; it can be resumed';
    default:
      return `exit code ${exitCode}`;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });
}

/**
 * Fractions of the lease without a renewal. A connected worker renews after half of it at the
 * latest.
 */
const INTERRUPT_AFTER = 0.65;
/**
 * For the process whose worker is suspended and cannot stop it. Later than INTERRUPT_AFTER, since a
 * second signal would end the process before it has saved.
 */
const STOPS_BY_ITSELF_AFTER = 0.75;
const KILL_AFTER = 0.85;
/** Checks per lease. */
const CHECKS = 20;

interface Lease {
  renewed: number;
  requested?: StopRequest;
  readonly stop: (how: StopRequest) => void;
  /** Sends the process the times at which it must stop, even if this worker is suspended. */
  readonly notify: (lease: TaskLease) => void;
}

/**
 * Leases of a worker's jobs. A worker renews the lock on its job while it lives; if the lock
 * expires, another worker may start the job. By then no process of this worker may still write,
 * even if the worker was only cut off from the queue or suspended. Each renewal therefore sends the
 * process of the job the time until which it may write (`run/lock.ts`).
 */
export class Leases {
  private readonly running = new Map<string, Lease>();
  private readonly timer: NodeJS.Timeout;

  /**
   * @param duration of a lock in milliseconds
   * @param now a monotonic clock in milliseconds
   */
  constructor(
    private readonly duration: number,
    private readonly now: () => number = monotonicNow,
  ) {
    this.timer = setInterval(() => this.check(), duration / CHECKS);
  }

  start(id: string, stop: Lease['stop'], notify: Lease['notify'] = () => {}): void {
    this.running.set(id, { renewed: this.now(), stop, notify });
    this.renewed([id]);
  }

  renewed(ids: readonly string[]): void {
    for (const id of ids) {
      const lease = this.running.get(id);
      if (lease === undefined) continue;
      // its process has stopped by itself, or is about to
      if (this.elapsedFraction(lease) >= INTERRUPT_AFTER) this.request(lease, 'interrupt');
      lease.renewed = this.now();
      const after = (fraction: number) => lease.renewed + fraction * this.duration;
      lease.notify({ interrupt: after(STOPS_BY_ITSELF_AFTER), end: after(KILL_AFTER) });
    }
  }

  /** Another worker holds the lock, or the job is gone. */
  lost(ids: readonly string[]): void {
    for (const id of ids) this.request(this.running.get(id), 'kill');
  }

  /**
   * Ends a lease. Returns whether the process was asked to stop, or has passed the time to stop by
   * itself.
   */
  end(id: string): boolean {
    const lease = this.running.get(id);
    this.running.delete(id);
    return (
      lease !== undefined && (lease.requested !== undefined || this.elapsedFraction(lease) >= INTERRUPT_AFTER)
    );
  }

  close(): void {
    clearInterval(this.timer);
  }

  private check(): void {
    for (const lease of this.running.values()) {
      const elapsed = this.elapsedFraction(lease);
      if (elapsed > KILL_AFTER) this.request(lease, 'kill');
      else if (elapsed > INTERRUPT_AFTER) this.request(lease, 'interrupt');
    }
  }

  private elapsedFraction({ renewed }: Lease): number {
    return (this.now() - renewed) / this.duration;
  }

  private request(lease: Lease | undefined, how: StopRequest): void {
    if (lease === undefined || lease.requested === 'kill' || lease.requested === how) return;
    lease.requested = how;
    lease.stop(how);
  }
}
