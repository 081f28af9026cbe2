/**
 * A worker of a queue: takes jobs and runs each in a process of its own, so that its own process
 * stays free to renew its locks. Which worker takes a job, and that another one takes it after this
 * one was lost, is BullMQ's.
 */
import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Queue, Worker } from 'bullmq';
import { lockHolder } from '../../experiment/locks/run-lock.js';
import { EXIT, UserError } from '../../util/errors.js';
import { programFile } from '../../util/root.js';
import { untilFree } from '../free-run.js';
import type { RunningTask, Task, TaskEnd } from '../launcher.js';
import { foundInUse, isPausedAt } from '../segment-result.js';
import { LocalLauncher } from './local.js';
import { openQueue, parseQueue, type QueueLibrary } from './queue-connection.js';
import { type QueueJob, refusedEnd, type StopRequest, stoppedEnd, taskOfJob } from './queue-job.js';
import { Leases } from './worker-lease.js';

const PROGRAM = programFile('cli/main.js');
/** Between two looks whether the sweep wants a job stopped. */
const POLL_MS = 1_000;
/**
 * How often a job may lose its worker; it is not the job's fault, but one that takes every worker
 * down must come to an end.
 */
const MAX_LOSSES = 10;

export interface WorkerPlan {
  /** `redis://…`, see `parseQueue`. */
  readonly queue: string;
  /** Absolute, without links: no run outside of it is touched. */
  readonly root: string;
  /** Jobs at the same time. */
  readonly concurrency: number;
  /** Seconds after which the jobs of a worker that is not heard of go to another. */
  readonly lease: number;
  /** Told to people, a line each. */
  say(line: string): void;
}

/**
 * Works until `signal`; running jobs are then interrupted and go back into the queue.
 * @throws UserError (exit 2) if the queue cannot be reached
 */
export async function workOn(plan: WorkerPlan, signal: AbortSignal): Promise<void> {
  const address = parseQueue(plan.queue);
  const library = await openQueue(address);
  const connection = library.connect(address);
  const queue = new library.Queue<QueueJob, TaskEnd>(address.name, { connection });
  const work = new Work(plan, library, queue, signal);
  const worker = work.begin(
    new library.Worker(address.name, (job, token) => work.process(job, token), {
      connection,
      concurrency: plan.concurrency,
      name: `${hostname()}:${process.pid}`,
      lockDuration: plan.lease * 1000,
      stalledInterval: (plan.lease * 1000) / 2,
      maxStalledCount: MAX_LOSSES,
    }),
  );
  plan.say(`waiting for tasks of ${address.shown} in ${plan.root}`);
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
  private silent = false;

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

  begin(worker: Worker<QueueJob, TaskEnd>): Worker<QueueJob, TaskEnd> {
    worker.on('locksRenewed', ({ jobIds }) => this.leases.renewed(jobIds));
    worker.on('lockRenewalFailed', ids => this.leases.lost(ids));
    // an outage makes many errors, of which one is enough
    const complain = (error: Error) => {
      if (!this.silent) this.plan.say(`the queue: ${error.message}`);
      this.silent = true;
    };
    worker.on('error', complain);
    this.queue.on('error', complain);
    worker.on('ready', () => {
      this.silent = false;
    });
    void this.watchRequests();
    return worker;
  }

  /** Until `end`. */
  async process(job: Job<QueueJob, TaskEnd>, token: string | undefined): Promise<TaskEnd> {
    const task = this.accepted(job);
    if (!('args' in task)) return task;
    if (this.signal.aborted) return this.putBack(job, token);
    if (job.attemptsStarted > 1) await this.takeFromLoser(task);
    this.plan.say(`${task.id}: ${task.directory}`);
    const id = job.id ?? task.id;
    const end = await this.run(id, task);
    this.plan.say(`${task.id}: ${endWords(end, task)}`);
    // what this worker did to it is no result
    const isOurs = this.leases.end(id) || this.signal.aborted;
    if (foundInUse(end)) {
      await sleep(POLL_MS);
      return this.putBack(job, token);
    }
    const wasInterrupted = end.exitCode === EXIT.interrupted || end.signal !== null;
    return isOurs && wasInterrupted && !end.timedOut ? this.putBack(job, token) : end;
  }

  end(): void {
    this.leases.close();
  }

  /** The task of a job, or its end where there is nothing to do. */
  private accepted(job: Job<QueueJob, TaskEnd>): Task | TaskEnd {
    try {
      const { task, stop } = taskOfJob(job.data, this.plan.root);
      return stop === null ? task : stoppedEnd(stop);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.plan.say(`${job.id}: ${error.message}`);
      return refusedEnd(error);
    }
  }

  private async run(id: string, task: Task): Promise<TaskEnd> {
    const running = await this.launcher.start(task);
    this.running.set(id, running);
    this.leases.begin(
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
   * A job that was begun before has lost its worker, whose process stops by itself before its lease
   * ends. One that is still there a lease later was stopped, or is of a machine of which nobody
   * here can know: its lock is taken away, so that it stops before it writes anything should it
   * wake up (`experiment/ownership.ts`).
   */
  private async takeFromLoser({ directory }: Task): Promise<void> {
    // not `AbortSignal.any`: on Node 20 a timeout's signal that only such a one knows may be
    // collected and never come
    const patience = new AbortController();
    const give = () => patience.abort();
    const timer = setTimeout(give, this.plan.lease * 1000);
    this.signal.addEventListener('abort', give);
    await untilFree(directory, patience.signal);
    clearTimeout(timer);
    this.signal.removeEventListener('abort', give);
    const lock = join(directory, 'run.lock');
    if (!this.signal.aborted && lockHolder(lock) !== undefined) rmSync(lock, { force: true });
  }

  private async putBack(job: Job<QueueJob, TaskEnd>, token: string | undefined): Promise<never> {
    await job.moveToWait(token);
    this.plan.say(`${job.data.id}: back in the queue`);
    throw new this.library.WaitingError();
  }

  /** A sweep writes into its jobs what it wants of them. */
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
      // an outage, of which others tell
      return null;
    }
  }
}

export function endWords(
  { exitCode, signal, timedOut }: TaskEnd,
  { to, timeout, directory }: Pick<Task, 'to' | 'timeout' | 'directory'>,
): string {
  if (timedOut) return `stopped, since it did not end within ${timeout} s`;
  if (signal !== null) return `ended by ${signal}`;
  switch (exitCode) {
    case null:
      return 'could not be started';
    case EXIT.done:
      return 'done';
    case EXIT.gate:
      return 'done, and not all gates passed';
    case EXIT.diverged:
      return 'diverged';
    case EXIT.interrupted:
      return isPausedAt(directory, to)
        ? `trained to epoch ${to} and paused`
        : 'interrupted, and can be gone on with';
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
