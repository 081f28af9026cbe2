/**
 * Counts steps of JavaScript: calls of functions and entries into their blocks (bodies of loops,
 * branches). Unlike time, the count is the same on every machine, so tests can check limits and
 * linear growth. Native code, such as inflating, does not count, nor do blocks of functions that
 * were compiled before the start.
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

  async of(action: () => unknown): Promise<number> {
    await this.take();
    await action();
    return this.take();
  }

  /** Stops counting, which slows down all code. */
  stop(): void {
    this.session.disconnect();
  }
}
