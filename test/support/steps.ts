/**
 * Steps of JavaScript: how often functions are called and the blocks in them (bodies of loops,
 * branches) are entered. Unlike time this is the same on every machine, so that tests can hold work
 * to a limit or to linear growth. What is done in native code, such as inflating, is not counted;
 * in a function that was compiled before the start its blocks are not either.
 */
import { Session } from 'node:inspector/promises';

export class StepCounter {
  private constructor(private readonly session: Session) {}

  static async start(): Promise<StepCounter> {
    const session = new Session();
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
    return new StepCounter(session);
  }

  /** Steps since the start or the last call. */
  async take(): Promise<number> {
    const { result } = await this.session.post('Profiler.takePreciseCoverage');
    const ranges = result.flatMap(({ functions }) => functions.flatMap(one => one.ranges));
    return ranges.reduce((sum, { count }) => sum + count, 0);
  }

  /** Steps of `action`. */
  async of(action: () => unknown): Promise<number> {
    await this.take();
    await action();
    return this.take();
  }

  /** Ends the counting, which slows down whatever runs meanwhile. */
  stop(): void {
    this.session.disconnect();
  }
}
