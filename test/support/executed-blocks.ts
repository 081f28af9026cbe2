/**
 * Measures work by counts instead of time: V8 counts the executions of each block of JavaScript.
 */
import { type Profiler, Session } from 'node:inspector';
import { setFlagsFromString } from 'node:v8';

/** V8's optimizing compilers; Node 22 and later use maglev. */
const OPTIMIZERS = ['opt', 'maglev'] as const;

/**
 * Counts the blocks of JavaScript that an action executes, including libraries. The count is the
 * same on every machine and under any load. It excludes native code: regular expressions, copying,
 * the operating system.
 */
export class BlockCounter {
  private readonly session = new Session();

  constructor() {
    // optimized code skips some of the counters
    for (const compiler of OPTIMIZERS) setFlagsFromString(`--no-${compiler}`);
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  count(action: () => void): number {
    this.take();
    action();
    return this.take();
  }

  /**
   * The ratio of the work of `action` for four times the size: about 4 if it is linear, 16 if it is
   * quadratic.
   */
  growth(size: number, action: (size: number) => () => void): number {
    const [small, large] = [action(size), action(4 * size)];
    // a first call, so that one-time setup does not count
    small();
    return this.count(large) / this.count(small);
  }

  close(): void {
    this.session.disconnect();
    for (const compiler of OPTIMIZERS) setFlagsFromString(`--${compiler}`);
  }

  private take(): number {
    let blocks = 0;
    // a session in this thread answers before `post` returns
    this.session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      blocks = answer.result
        .filter(isFile)
        .flatMap(rangesOf)
        .reduce((sum, { count }) => sum + count, 0);
    });
    return blocks;
  }
}

function isFile({ url }: Profiler.ScriptCoverage): boolean {
  return url.startsWith('file:') || url.startsWith('/');
}

function rangesOf({ functions }: Profiler.ScriptCoverage): Profiler.CoverageRange[] {
  return functions.flatMap(({ ranges }) => ranges);
}
