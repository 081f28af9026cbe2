/**
 * Runs sweeps whose trials train in this process: the search, the runs and the files are real, but
 * segments start no processes.
 */
import { loadSweep } from '../../src/sweep/config/load.js';
import { SweepDirectory } from '../../src/sweep/directory.js';
import { writeResults } from '../../src/sweep/results.js';
import { runSweep, type SweepOptions } from '../../src/sweep/run.js';
import type { Launcher, RunningTask, Task } from '../../src/sweep/segment.js';
import type { Workplace } from './cli.js';

type Gate = (task: Task) => Promise<void>;

class InProcessLauncher implements Launcher {
  readonly name = 'local';

  constructor(
    private readonly work: Workplace,
    private readonly gate: Gate,
  ) {}

  async start(task: Task): Promise<RunningTask> {
    const end = this.gate(task)
      .then(() => this.work.cellrun(...task.args))
      .then(({ code, stderr }) => ({ exitCode: code, signal: null, timedOut: false, stderr }));
    // not a real process, so that a resumed sweep does not wait for it to end
    return { process: 'in-process', end, stop: async () => {} };
  }

  async find(): Promise<undefined> {}

  async close(): Promise<void> {}
}

interface Conducting {
  /** Backend of new trials; default for a resumed sweep: the one it started with. */
  readonly backend?: string;
  /** Receives warnings. If absent, a sweep with a warning fails. */
  readonly warning?: (text: string) => void;
}

const open: Gate = async () => {};

function optionsOf(work: Workplace, gate: Gate, { backend, warning }: Conducting): SweepOptions {
  return sweepOptions(new InProcessLauncher(work, gate), warning && { warning }, backend);
}

/** Options of a sweep that nothing stops, and that fails with a warning unless they are taken. */
export function sweepOptions(
  launcher: Launcher,
  observer: Partial<SweepOptions['observer']> = {},
  backend: string | undefined = 'webasm',
): SweepOptions {
  const warning = (text: string): never => {
    throw new Error(text);
  };
  return {
    threads: 1,
    backend,
    launcher: () => launcher,
    observer: { warning, ...observer },
    signal: new AbortController().signal,
  };
}

/**
 * Runs the sweep in `file` to its end, like `sweep FILE --backend webasm --output OUTPUT`. Returns
 * its directory. Each segment starts once its `gate` has resolved.
 */
export async function sweepInProcess(
  work: Workplace,
  file: string,
  output: string,
  gate = open,
  conducting: Conducting = {},
): Promise<string> {
  const options = optionsOf(work, gate, { backend: 'webasm', ...conducting });
  const { directory, exitCode } = await runSweep(SweepDirectory.create(loadSweep(file), output), options);
  if (exitCode !== 0) throw new Error(`the sweep ended with exit code ${exitCode}`);
  writeResults(directory);
  return directory.path;
}

/** Resumes the sweep in `path` and runs it to its end, like `sweep resume PATH`. */
export async function resumeInProcess(
  work: Workplace,
  path: string,
  conducting: Conducting = {},
): Promise<void> {
  const { directory, exitCode } = await runSweep(SweepDirectory.open(path), {
    ...optionsOf(work, open, conducting),
    retryFailed: false,
  });
  if (exitCode !== 0) throw new Error(`the sweep ended with exit code ${exitCode}`);
  writeResults(directory);
}
