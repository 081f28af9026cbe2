/** The option `--launcher`, which selects how a sweep starts its trials. */
import { parseQueue } from '../../sweep/launchers/queue.js';
import type { SweepOptions } from '../../sweep/run.js';
import { type Diagnostic, UserError } from '../../util/errors.js';
import { choice, list, text, type Values } from '../verb.js';
import type { RepeatedFlags } from '../verbs/result.js';

export const launcherOptions = {
  launcher: choice('<name>', ['local', 'slurm', 'bullmq'], 'how trials are started').default('local'),
  queue: text('<url>', 'queue for --launcher bullmq: redis://host:6379 (env: CELLRUN_QUEUE)'),
  sbatch: list('<option>', 'option for sbatch, such as --partition=long'),
};

export type LauncherOptions = Values<typeof launcherOptions>;

/** The options as flags, without the queue's password, which would stay in terminals and logs. */
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
    note: isSecret ? "Add the queue's password: it is not shown here." : '',
  };
}

/** Reports options that cannot be combined, and invalid queue addresses. */
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
    refuse('--launcher bullmq requires --queue', '--queue redis://HOST:6379');
  if (launcher === 'bullmq' && queue !== undefined) found.push(...addressProblems(queue));
  if (launcher !== 'bullmq' && queue !== undefined)
    refuse(`--queue cannot be used with --launcher ${launcher}`, '--launcher bullmq');
  if (launcher !== 'slurm' && sbatch.length > 0)
    refuse(`--sbatch cannot be used with --launcher ${launcher}`, '--launcher slurm');
  if (launcher === 'bullmq' && width !== undefined)
    refuse('--width cannot be used with --launcher bullmq: each worker measures its own', 'no --width');
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

/**
 * Returns a function that creates the launcher and loads its packages. The options must have passed
 * `launcherProblems`.
 */
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
