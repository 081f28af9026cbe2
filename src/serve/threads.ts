/**
 * Threads that run the exported modules. A job that takes too long or ends its thread takes nothing
 * else with it but the sessions of that thread: another thread starts in its place.
 */
import { Worker } from 'node:worker_threads';
import type { Logger } from '../host/index.js';
import type { ModelFacts } from '../interop/js/served.js';
import type { Diagnostic } from '../util/errors.js';
import { programFile } from '../util/root.js';
import { counted } from '../util/words.js';
import type { Job, Reply, ThreadSetup } from './worker.js';

/** Why a job has no result: a status of HTTP, and what the client is told. */
export class JobError extends Error {
  /** Other fields of the response. */
  more: object = {};

  constructor(
    readonly status: number,
    message: string,
    readonly problems: readonly Diagnostic[] = [],
  ) {
    super(message);
  }
}

interface Waiting {
  readonly job: Job;
  readonly since: number;
  readonly signal: AbortSignal | undefined;
  resolve(text: string): void;
  reject(error: Error): void;
}

/** Jobs that a thread has at once, so that it need not wait for this one. */
const AT_ONCE = 2;

/** Jobs that wait for a thread; more are refused. */
const MOST_WAITING = 1024;

/** Before a thread that could not start is started again. */
const RESTART_MS = 1000;

interface ThreadsOptions extends ThreadSetup {
  readonly count: number;
  /** How long a job may be computed; it may wait twice as long, also for one that never ends. */
  readonly timeoutMs: number;
  /** The sessions of a thread have ended with it. */
  readonly onLost: (thread: number) => void;
  readonly log: Logger;
}

export class Threads {
  /** Threads that were replaced. */
  restarts = 0;
  private readonly threads: Thread[];
  /** For any thread. */
  private readonly queue: Waiting[] = [];
  private readonly clock: NodeJS.Timeout;

  private constructor(private readonly options: ThreadsOptions) {
    this.threads = Array.from({ length: options.count }, () => this.newThread());
    this.clock = setInterval(() => this.endLate(), Math.min(1000, options.timeoutMs / 4)).unref();
  }

  /** @returns the threads, and what they know of the models */
  static async start(options: ThreadsOptions): Promise<{ threads: Threads; models: readonly ModelFacts[] }> {
    const threads = new Threads(options);
    const [models] = await Promise.all(threads.threads.map(({ ready }) => ready));
    return { threads, models };
  }

  get count(): number {
    return this.threads.length;
  }

  get waiting(): number {
    return this.threads.reduce((sum, { queue }) => sum + queue.length, this.queue.length);
  }

  /** False if every thread starts, or has computed the same job for a quarter of its time. */
  get canAnswer(): boolean {
    const since = performance.now() - this.options.timeoutMs / 4;
    return this.threads.some(({ taken, began }) => Number.isFinite(taken) && began > since);
  }

  /**
   * Returns the text of the reply.
   * @param thread that must carry it out; absent: any
   * @throws JobError
   */
  submit(job: Job, signal?: AbortSignal, thread?: number): Promise<string> {
    const isEnd = job.kind === 'close';
    if (this.waiting >= MOST_WAITING && !isEnd)
      return Promise.reject(new JobError(503, `${counted(MOST_WAITING, 'request')} are waiting already`));
    return new Promise((resolve, reject) => {
      const waiting = { job, since: performance.now(), signal, resolve, reject };
      (thread === undefined ? this.queue : this.threads[thread].queue).push(waiting);
      this.dispatch();
    });
  }

  async close(): Promise<void> {
    clearInterval(this.clock);
    await Promise.all(this.threads.map(thread => thread.end()));
  }

  private newThread(): Thread {
    return new Thread(this.options, {
      dispatch: () => this.dispatch(),
      lost: (thread, error, left) => this.replace(thread, error, left),
    });
  }

  /** Gives work to the threads in turn, so that not the first ones alone work. */
  private dispatch(): void {
    for (let taken = 0; taken < AT_ONCE; taken++) {
      for (const thread of this.threads) {
        if (thread.taken > taken) continue;
        const [own, any] = [next(thread.queue), next(this.queue)];
        const from = own && (!any || own.since <= any.since) ? thread.queue : this.queue;
        const waiting = from.shift();
        if (waiting) thread.take(waiting);
      }
    }
  }

  private endLate(): void {
    const { timeoutMs } = this.options;
    const since = performance.now() - timeoutMs;
    const waited = since - timeoutMs;
    for (const queue of [this.queue, ...this.threads.map(({ queue }) => queue)])
      while (queue.length > 0 && queue[0].since < waited)
        queue.shift()?.reject(new JobError(503, 'the server is busy'));
    for (const thread of this.threads)
      if (thread.began < since)
        void thread.end(new JobError(504, `the computation took longer than ${timeoutMs / 1000} s`));
  }

  /** The first of the jobs was being computed; the others are done by the new thread. */
  private replace(thread: Thread, error: Error, [first, ...others]: readonly Waiting[]): void {
    const at = this.threads.indexOf(thread);
    const isKnown = error instanceof JobError;
    if (!isKnown) this.options.log.error({ err: error }, 'a thread has failed; another one replaces it');
    first?.reject(isKnown ? error : new JobError(500, 'the thread of the model has ended'));
    this.restarts++;
    this.options.onLost(at);
    const isBound = ({ job }: Waiting) => job.kind !== 'predict';
    for (const one of [...others, ...thread.queue].filter(isBound)) one.reject(lostSession());
    this.queue.unshift(...others.filter(one => !isBound(one)));
    const start = () => {
      this.threads[at] = this.newThread();
      this.dispatch();
    };
    if (thread.isReady) start();
    else setTimeout(start, RESTART_MS).unref();
  }
}

export function lostSession(): JobError {
  return new JobError(404, 'there is no such session: it has ended, or has not been used for too long');
}

/** The first of a queue that somebody still waits for. */
function next(queue: Waiting[]): Waiting | undefined {
  while (queue[0]?.signal?.aborted) queue.shift()?.reject(new JobError(499, 'the client has gone'));
  return queue[0];
}

interface Owner {
  dispatch(): void;
  lost(thread: Thread, error: Error, left: readonly Waiting[]): void;
}

class Thread {
  /** For this thread alone. */
  readonly queue: Waiting[] = [];
  readonly ready: Promise<readonly ModelFacts[]>;
  isReady = false;
  /** When the job began that is computed now. */
  began = Number.POSITIVE_INFINITY;
  private readonly worker: Worker;
  private readonly jobs = new Map<number, Waiting>();
  private number = 0;
  private hasEnded = false;

  constructor(
    { modules }: ThreadSetup,
    private readonly owner: Owner,
  ) {
    this.worker = new Worker(programFile('serve/worker.js'), { workerData: { modules } });
    this.worker.unref();
    this.ready = new Promise((resolve, reject) => {
      this.worker.once('message', (models: readonly ModelFacts[]) => {
        this.isReady = true;
        resolve(models);
        this.worker.on('message', (reply: Reply) => this.reply(reply));
        owner.dispatch();
      });
      const fail = (error: Error) => {
        reject(error);
        this.lose(error);
      };
      this.worker.once('error', fail);
      this.worker.once('exit', () => fail(new Error('the thread of the models has ended')));
    });
    // those who do not wait for it learn of its end by `lost`
    this.ready.catch(() => {});
  }

  /** Jobs that it has; infinitely many before it is ready. */
  get taken(): number {
    return this.isReady && !this.hasEnded ? this.jobs.size : Number.POSITIVE_INFINITY;
  }

  take(waiting: Waiting): void {
    const number = this.number++;
    try {
      this.worker.postMessage({ number, job: waiting.job });
    } catch (error) {
      // it cannot be copied, so the thread will never reply to it
      waiting.reject(error as Error);
      return;
    }
    if (this.jobs.size === 0) this.began = performance.now();
    this.jobs.set(number, waiting);
  }

  /** Ends the thread; with an error, its jobs are lost. */
  async end(error?: Error): Promise<void> {
    if (error) this.lose(error);
    this.hasEnded = true;
    await this.worker.terminate();
  }

  private reply({ job, text = '', failure }: Reply): void {
    const waiting = this.jobs.get(job);
    this.jobs.delete(job);
    this.began = this.jobs.size > 0 ? performance.now() : Number.POSITIVE_INFINITY;
    if (failure === undefined) waiting?.resolve(text);
    else if (failure.problems) waiting?.reject(new JobError(422, failure.message, failure.problems));
    else waiting?.reject(new Error(failure.message));
    this.owner.dispatch();
  }

  private lose(error: Error): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.owner.lost(this, error, [...this.jobs.values()]);
  }
}
