/** Threads that answer requests. */
import { parentPort, Worker, workerData } from '../host/index.js';
import { type ProgramFile, programFile } from './root.js';

let usesThreads = true;

/** For pages, and for tests: a thread takes longer to start than a test's run takes to train. */
export function computeInThreads(isOn: boolean): boolean {
  const before = usesThreads;
  usesThreads = isOn;
  return before;
}

export function mayUseThreads(): boolean {
  return usesThreads;
}

interface Waiting<Result> {
  resolve(result: Result): void;
  reject(error: Error): void;
}

type Reply<Result> = { readonly result: Result } | { readonly error: Error };

/** With Node's default, each thread would keep 50 MB of garbage before collecting. */
const YOUNG_GENERATION_MB = 8;

/** Answers requests in order; several may be pending. */
export class Thread<Request, Result> {
  private readonly waiting: Waiting<Result>[] = [];
  private readonly worker: Worker;
  /** Why the thread has ended; later requests are rejected with this. */
  private ended: Error | undefined;
  private isClosing = false;

  /** @param file a program that calls {@link answerRequests} */
  constructor(file: ProgramFile, setup: unknown) {
    this.worker = new Worker(programFile(file), {
      workerData: setup,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.worker.unref(); // an idle thread does not keep the process alive
    this.worker.on('message', (reply: Reply<Result>) => {
      const waiting = this.waiting.shift();
      if (this.waiting.length === 0) this.rest();
      if ('error' in reply) waiting?.reject(reply.error);
      else waiting?.resolve(reply.result);
    });
    this.worker.on('error', error => this.fail(error));
    this.worker.on('messageerror', error => this.fail(error));
    this.worker.on('exit', code => this.fail(new Error(`a computing thread ended with code ${code}`)));
  }

  /** @param moved arrays that the thread gets without a copy */
  ask(request: Request, moved: readonly ArrayBuffer[] = []): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) return reject(this.ended);
      // throws if the request cannot be copied, so that no reply to it will come
      this.worker.postMessage(request, moved);
      this.waiting.push({ resolve, reject });
      this.worker.ref();
    });
  }

  end(): Promise<unknown> {
    this.isClosing = true;
    return this.worker.terminate();
  }

  /** A closing thread must end: otherwise code that awaits it would never run. */
  private rest(): void {
    if (!this.isClosing) this.worker.unref();
  }

  private fail(error: Error): void {
    // an 'exit' event, which says less, follows an 'error' event
    this.ended ??= error;
    this.rest();
    for (const waiting of this.waiting.splice(0)) waiting.reject(error);
  }
}

/** Returns the handler of the requests to a thread; `reply` is called once for each, in order. */
export function answering<Request, Result>(
  answer: (request: Request) => Result | Promise<Result>,
  reply: (reply: Reply<Result>) => void,
): (request: Request) => Promise<void> {
  return async request =>
    reply(
      await (async () => answer(request))().then(
        result => ({ result }),
        (error: Error) => ({ error }),
      ),
    );
}

/**
 * In a thread of Node: answers the requests of its {@link Thread}.
 * @param start receives what the thread was started with
 */
export function answerRequests<Setup, Request, Result>(
  start: (setup: Setup) => (request: Request) => Result | Promise<Result>,
): void {
  const handle = answering(start(workerData as Setup), reply => parentPort?.postMessage(reply));
  parentPort?.on('message', handle);
}
