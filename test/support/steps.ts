/**
 * Counts steps of JavaScript: calls of functions and entries into their blocks (bodies of loops,
 * branches). Unlike time, the count is the same on every machine, so tests can check limits and
 * linear growth. Native code, such as inflating, does not count, nor do blocks of functions that
 * were compiled before the start.
 */
import { Session } from 'node:inspector';
import { setFlagsFromString } from 'node:v8';

/** V8's optimizing compilers, whose code skips some of the counters. */
const OPTIMIZERS = ['opt', 'maglev'] as const;

export class StepCounter {
  private readonly session = new Session();

  /** @param isExact whether all steps count, which slows down all code */
  constructor(private readonly isExact = false) {
    if (isExact) for (const compiler of OPTIMIZERS) setFlagsFromString(`--no-${compiler}`);
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Steps in files since the start or the last call. */
  take(): number {
    let steps = 0;
    // a session in this thread answers before `post` returns
    this.session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      for (const { url, functions } of answer.result)
        if (/^(file:|\/)/.test(url))
          for (const { ranges } of functions) for (const { count } of ranges) steps += count;
    });
    return steps;
  }

  async of(action: () => unknown): Promise<number> {
    this.take();
    await action();
    return this.take();
  }

  /**
   * The ratio of the work of `action` for four times the size: about 4 if it is linear, 16 if it is
   * quadratic.
   */
  async growth(size: number, action: (size: number) => () => void): Promise<number> {
    const [small, large] = [action(size), action(4 * size)];
    // a first call, so that one-time setup does not count
    small();
    return (await this.of(large)) / (await this.of(small));
  }

  stop(): void {
    this.session.disconnect();
    if (this.isExact) for (const compiler of OPTIMIZERS) setFlagsFromString(`--${compiler}`);
  }
}
