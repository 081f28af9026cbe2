/**
 * How much work something is, counted instead of timed: V8 counts how often each block of
 * JavaScript runs.
 */
import { type Profiler, Session } from 'node:inspector';
import { setFlagsFromString } from 'node:v8';

/** V8's optimizing compilers; Node 22 and later use maglev. */
const OPTIMIZERS = ['opt', 'maglev'] as const;

/**
 * Counts the blocks of JavaScript that an action executes, those of libraries included. The count
 * is the same on every machine, however busy. It leaves out what does not run as JavaScript:
 * regular expressions, copying, the operating system.
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
   * How many times as much work `action` is at four times the size: about 4 where it is linear, 16
   * where it is quadratic.
   */
  growth(size: number, action: (size: number) => () => void): number {
    const [small, large] = [action(size), action(4 * size)];
    // what is set up once does not count
    small();
    return this.count(large) / this.count(small);
  }

  close(): void {
    this.session.disconnect();
    for (const compiler of OPTIMIZERS) setFlagsFromString(`--${compiler}`);
  }

  /** The blocks since it was last asked. */
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
