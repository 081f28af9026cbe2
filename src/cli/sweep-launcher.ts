/** `--launcher`: how a sweep starts its trials. */
import { usageError } from '../errors.js';
import type { Launcher, RunningTask, Task } from '../sweep/launcher.js';

export const LAUNCHERS = ['local', 'slurm', 'bullmq'] as const;

export interface LauncherOptions {
  readonly launcher: (typeof LAUNCHERS)[number];
  /** `redis://…`, for bullmq. */
  readonly queue: string | undefined;
  /** Further options of sbatch, for slurm. */
  readonly sbatch: readonly string[];
}

/** Throws exit 2 where flags don't go together. `directory` is the sweep's, known once the launcher is opened. */
export function createLauncher(options: LauncherOptions, directory: () => string): Launcher {
  const { launcher, queue, sbatch } = options;
  const refuse = (message: string, expected: string) =>
    usageError({ code: 'cli/launcher', message, expected });
  if (launcher === 'bullmq' && queue === undefined)
    throw refuse('the launcher bullmq needs a queue', '--queue redis://HOST:6379');
  if (launcher !== 'bullmq' && queue !== undefined)
    throw refuse(`--queue has no meaning for the launcher ${launcher}`, '--launcher bullmq');
  if (launcher !== 'slurm' && sbatch.length > 0)
    throw refuse(`--sbatch has no meaning for the launcher ${launcher}`, '--launcher slurm');
  return new LateLauncher(launcher, async () => {
    switch (launcher) {
      case 'local': {
        const { LocalLauncher } = await import('../sweep/launchers/local.js');
        return new LocalLauncher();
      }
      case 'slurm': {
        const { SlurmLauncher } = await import('../sweep/launchers/slurm.js');
        return new SlurmLauncher({ directory: directory(), sbatch });
      }
      case 'bullmq': {
        const { BullmqLauncher } = await import('../sweep/launchers/bullmq.js');
        return new BullmqLauncher({ queue: queue ?? '' });
      }
      default:
        return launcher satisfies never;
    }
  });
}

/** Made when it is opened: only then the sweep has its directory, and only then its packages are needed. */
class LateLauncher implements Launcher {
  private made: Launcher | undefined;

  constructor(
    readonly name: Launcher['name'],
    private readonly make: () => Promise<Launcher>,
  ) {}

  async open(): Promise<void> {
    this.made = await this.make();
    await this.made.open();
  }

  start(task: Task): Promise<RunningTask> {
    return this.launcher.start(task);
  }

  find(task: Task, process: string): Promise<RunningTask | undefined> {
    return this.launcher.find(task, process);
  }

  async close(): Promise<void> {
    await this.made?.close();
  }

  private get launcher(): Launcher {
    if (this.made === undefined) throw new Error('the launcher is not open');
    return this.made;
  }
}
