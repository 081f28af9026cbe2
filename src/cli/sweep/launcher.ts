/** `--launcher`: how a sweep starts its trials. */

import { parseQueue } from '../../sweep/launchers/queue-connection.js';
import type { SweepOptions } from '../../sweep/run.js';
import { type Diagnostic, UserError } from '../../util/errors.js';
import type { RepeatedFlags } from '../verbs/result.js';

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

/** Flags that do not go together, and a queue that has no address. */
export function launcherProblems({
  launcher,
  queue,
  sbatch,
  width,
}: LauncherOptions & { readonly width: unknown }): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  const refuse = (message: string, expected: string) =>
    found.push({ code: 'cli/launcher', message, expected });
  if (launcher === 'bullmq' && queue === undefined)
    refuse('the launcher bullmq needs a queue', '--queue redis://HOST:6379');
  if (launcher === 'bullmq' && queue !== undefined) found.push(...addressProblems(queue));
  if (launcher !== 'bullmq' && queue !== undefined)
    refuse(`--queue has no meaning for the launcher ${launcher}`, '--launcher bullmq');
  if (launcher !== 'slurm' && sbatch.length > 0)
    refuse(`--sbatch has no meaning for the launcher ${launcher}`, '--launcher slurm');
  if (launcher === 'bullmq' && width !== undefined)
    refuse('--width has no meaning for the launcher bullmq: each worker measures its own', 'no --width');
  return found;
}

function addressProblems(queue: string): readonly Diagnostic[] {
  try {
    parseQueue(queue);
    return [];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.diagnostics.map(diagnostic => ({ ...diagnostic, file: '--queue' }));
  }
}

/** What is given, of which `launcherProblems` tells nothing, makes the launcher: only then its packages are needed. */
export function launcherOf({ launcher, queue, sbatch }: LauncherOptions): SweepOptions['launcher'] {
  return async (directory, warn) => {
    switch (launcher) {
      case 'local': {
        const { LocalLauncher } = await import('../../sweep/launchers/local.js');
        return new LocalLauncher();
      }
      case 'slurm': {
        const { SlurmLauncher } = await import('../../sweep/launchers/slurm.js');
        return new SlurmLauncher({ directory: directory.path, sbatch });
      }
      case 'bullmq': {
        const { BullmqLauncher } = await import('../../sweep/launchers/bullmq.js');
        return new BullmqLauncher({ queue: queue ?? '', folder: directory.outputRoot, warn });
      }
      default:
        return launcher satisfies never;
    }
  };
}
