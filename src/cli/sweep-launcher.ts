/** `--launcher`: how a sweep starts its trials. */
import { usageError } from '../errors.js';
import type { SweepOptions } from '../sweep/run.js';
import type { RepeatedFlags } from './result.js';

export const LAUNCHERS = ['local', 'slurm', 'bullmq'] as const;

export interface LauncherOptions {
  readonly launcher: (typeof LAUNCHERS)[number];
  /** `redis://…`, for bullmq. */
  readonly queue: string | undefined;
  /** Further options of sbatch, for slurm. */
  readonly sbatch: readonly string[];
}

/** The same as a command line's; without the queue's password, which would stay in terminals and logs. */
export function launcherFlags({ launcher, queue, sbatch }: LauncherOptions): RepeatedFlags {
  const address = queue !== undefined && URL.canParse(queue) ? new URL(queue) : undefined;
  const isSecret = address !== undefined && address.password !== '';
  if (address !== undefined) address.password = '';
  return {
    flags: [
      ...(launcher === 'local' ? [] : ['--launcher', launcher]),
      ...(queue === undefined ? [] : ['--queue', isSecret ? String(address) : queue]),
      ...sbatch.map(option => `--sbatch=${option}`),
    ],
    note: isSecret ? "The queue's password is left out of this line." : '',
  };
}

/** Throws exit 2 where flags don't go together. What is given makes the launcher: only then its packages are needed. */
export function launcherOf(options: LauncherOptions): SweepOptions['launcher'] {
  const { launcher, queue, sbatch } = options;
  const refuse = (message: string, expected: string) =>
    usageError({ code: 'cli/launcher', message, expected });
  if (launcher === 'bullmq' && queue === undefined)
    throw refuse('the launcher bullmq needs a queue', '--queue redis://HOST:6379');
  if (launcher !== 'bullmq' && queue !== undefined)
    throw refuse(`--queue has no meaning for the launcher ${launcher}`, '--launcher bullmq');
  if (launcher !== 'slurm' && sbatch.length > 0)
    throw refuse(`--sbatch has no meaning for the launcher ${launcher}`, '--launcher slurm');
  return async (directory, warn) => {
    switch (launcher) {
      case 'local': {
        const { LocalLauncher } = await import('../sweep/launchers/local.js');
        return new LocalLauncher();
      }
      case 'slurm': {
        const { SlurmLauncher } = await import('../sweep/launchers/slurm.js');
        return new SlurmLauncher({ directory: directory.path, sbatch });
      }
      case 'bullmq': {
        const { BullmqLauncher } = await import('../sweep/launchers/bullmq.js');
        return new BullmqLauncher({ queue: queue ?? '', folder: directory.outputRoot, warn });
      }
      default:
        return launcher satisfies never;
    }
  };
}
