/**
 * A worker of a queue: runs each job in a child process, so that its own process stays free to
 * renew its locks. BullMQ assigns jobs to workers, and reassigns those of a lost worker.
 */
import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from 'bullmq';
import type { Logger } from '../../host/index.js';
import { isLocked } from '../../run/lock.js';
import { caught, EXIT, UserError } from '../../util/errors.js';
import type { Task, TaskEnd } from '../segment.js';
import { failureSentence, foundInUse } from '../segment.js';
import { type LocalTask, localLauncher } from './local.js';
import { lostEnd, openQueue, parseQueue, type QueueJob, type TaskQueue, taskOfJob } from './queue.js';

/** Milliseconds between checks for requests to stop a job. */
const POLL_MS = 1_000;
/** Workers that a job may lose: one that takes down every worker must end. */
const MAX_LOSSES = 10;

export interface WorkerPlan {
  readonly queue: string;
  /** Absolute path without links; no run outside of it is touched. */
  readonly root: string;
  readonly concurrency: number;
  /** Seconds without a heartbeat after which a worker's jobs go to other workers. */
  readonly lease: number;
  readonly log: Logger;
}

/** Works until `signal` is aborted, then returns running jobs to the queue. */
export async function workOn(plan: WorkerPlan, signal: AbortSignal): Promise<void> {
  const address = parseQueue(plan.queue);
  const service = await openQueue(address);
  const { library, connection, queue } = service;
  const work = new Work(plan, service, signal);
  const worker = new library.Worker<QueueJob, TaskEnd>(
    address.name,
    (job, token) => work.process(job, token),
    {
      connection,
      concurrency: plan.concurrency,
      name: `${hostname()}:${process.pid}`,
      lockDuration: plan.lease * 1000,
      stalledInterval: (plan.lease * 1000) / 2,
      maxStalledCount: MAX_LOSSES,
    },
  );
  worker.on('lockRenewalFailed', ids => work.lose(ids));
  // an outage causes many errors; one line is enough
  let hasWarned = false;
  const warn = (error: Error) => {
    if (!hasWarned) plan.log.warn({}, `queue error: ${error.message}`);
    hasWarned = true;
  };
  worker.on('error', warn);
  queue.on('error', warn);
  worker.on('ready', () => {
    hasWarned = false;
  });
  plan.log.info(
    { queue: address.shown, root: plan.root },
    `waiting for tasks of ${address.shown} in ${plan.root}`,
  );
  if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve));
  work.interrupt();
  await worker.pause(true);
  await worker.close();
  await queue.close();
  connection.disconnect();
}

class Work {
  private readonly running = new Map<string, LocalTask>();
  /** Jobs that this worker has lost: BullMQ passes them to another worker. */
  private readonly lost = new Set<string>();

  constructor(
    private readonly plan: WorkerPlan,
    private readonly service: TaskQueue,
    private readonly signal: AbortSignal,
  ) {}

  interrupt(): void {
    for (const task of this.running.values()) void task.stop();
  }

  lose(ids: readonly string[]): void {
    for (const id of ids) {
      if (!this.running.has(id) || this.lost.has(id)) continue;
      this.lost.add(id);
      this.running.get(id)?.kill();
    }
  }

  async process(job: Job<QueueJob, TaskEnd>, token: string | undefined): Promise<TaskEnd> {
    const task = this.taskOf(job);
    if (!('args' in task)) return task;
    if (this.signal.aborted) return this.requeue(job, token);
    if (job.attemptsStarted > 1) await this.takeOver(task);
    const { id, directory } = task;
    this.plan.log.info({ task: id, directory }, `${id}: ${directory}`);
    const end = await this.run(job.id ?? id, task);
    const how = end.exitCode === EXIT.done ? 'done' : failureSentence(end, task.timeout);
    // a run also stops in order after the epoch that the sweep has named
    const isInOrder = !end.timedOut && (end.exitCode === EXIT.done || end.exitCode === EXIT.interrupted);
    this.plan.log[isInOrder ? 'info' : 'warn']({ task: id }, `${id}: ${how}`);
    // a process that this worker stopped has no result
    const isOurs = this.lost.delete(job.id ?? id) || this.signal.aborted;
    const wasInterrupted = (end.exitCode === EXIT.interrupted || end.signal !== null) && !end.timedOut;
    const isInUse = foundInUse(end);
    if (isInUse) await sleep(POLL_MS);
    return isInUse || (isOurs && wasInterrupted) ? this.requeue(job, token) : end;
  }

  /** The task of a job, or its result if there is nothing to do. */
  private taskOf(job: Job<QueueJob, TaskEnd>): Task | TaskEnd {
    const found = caught(() => taskOfJob(job.data, this.plan.root));
    if (!(found instanceof UserError)) return found.stop ? lostEnd('stopped before it started') : found.task;
    this.plan.log.warn({ job: job.id }, `${job.id}: ${found.message}`);
    return { ...lostEnd(found.message), exitCode: EXIT.usage };
  }

  private async run(id: string, task: Task): Promise<TaskEnd> {
    const running = await localLauncher.start(task);
    this.running.set(id, running);
    void this.watchRequests(id, running);
    try {
      if (this.signal.aborted) await running.stop();
      return await running.end;
    } finally {
      this.running.delete(id);
    }
  }

  /**
   * Waits for the process of a job's earlier worker. If it still holds the run a lease later, it is
   * suspended or on an unreachable machine: without its lock it stops before it writes anything
   * (`run/lock.ts`).
   */
  private async takeOver({ directory }: Task): Promise<void> {
    const lock = join(directory, 'run.lock');
    const end = performance.now() + this.plan.lease * 1000;
    while (isLocked(lock) && !this.signal.aborted && performance.now() < end) await sleep(POLL_MS);
    if (!this.signal.aborted && isLocked(lock)) rmSync(lock, { force: true });
  }

  private async requeue(job: Job<QueueJob, TaskEnd>, token: string | undefined): Promise<never> {
    await job.moveToWait(token);
    const { id } = job.data;
    this.plan.log.info({ task: id }, `${id}: returned to the queue`);
    throw new this.service.library.WaitingError();
  }

  /** Stops a job whose sweep has written a request into it. */
  private async watchRequests(id: string, running: LocalTask): Promise<void> {
    while (this.running.get(id) === running) {
      await sleep(POLL_MS, undefined, { ref: false });
      // an outage is reported by the error events
      const job = await this.service.queue.getJob(id).catch(() => undefined);
      if (job?.data.stop) return running.stop();
    }
  }
}
