/** Sweeps whose trials train in this process: the search, the runs and the files are real, but no segment costs a process. */
import { processIdentity } from '../../src/experiment/process-identity.js';
import { loadSweep } from '../../src/sweep/config/index.js';
import type { Launcher, RunningTask, Task } from '../../src/sweep/launcher.js';
import { writeResults } from '../../src/sweep/results/index.js';
import { runSweep } from '../../src/sweep/run.js';
import type { Workplace } from './cli.js';

class InProcessLauncher implements Launcher {
  readonly name = 'local';

  constructor(
    private readonly work: Workplace,
    private readonly gate: (task: Task) => Promise<void>,
  ) {}

  async open(): Promise<void> {}

  async start(task: Task): Promise<RunningTask> {
    const end = this.gate(task)
      .then(() => this.work.cellrun(...task.args))
      .then(({ code, stderr }) => ({ exitCode: code, signal: null, timedOut: false, stderr }));
    return { process: processIdentity(process.pid), end, stop: async () => {} };
  }

  async find(): Promise<undefined> {}

  async close(): Promise<void> {}
}

/**
 * Runs the sweep in `file` to its end, as `sweep FILE --backend webasm --output OUTPUT` does; gives its directory. A segment begins once its
 * `gate` is settled.
 */
export async function sweepInProcess(
  work: Workplace,
  file: string,
  output: string,
  gate: (task: Task) => Promise<void> = async () => {},
): Promise<string> {
  const { plan, bases, givenYaml } = loadSweep(file);
  const { directory, exitCode } = await runSweep(
    { plan, bases, givenYaml, output },
    {
      threads: 1,
      backend: 'webasm',
      launcher: () => new InProcessLauncher(work, gate),
      observer: {
        decided: () => {},
        started: () => {},
        ended: () => {},
        redecided: () => {},
        warning: text => {
          throw new Error(text);
        },
      },
      signal: new AbortController().signal,
      version: '0.0.0',
      now: () => new Date(),
    },
    () => {},
  );
  if (exitCode !== 0) throw new Error(`the sweep ended with exit code ${exitCode}`);
  writeResults(directory);
  return directory.path;
}
