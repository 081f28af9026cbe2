/** `run` with `repeat`: trains a config with several seeds, as a sweep of a single point. */

import type { LoadedExperiment } from '../../config/index.js';
import { fromCommandLine } from '../../sweep/config/load.js';
import type { ExitCode } from '../../util/errors.js';
import type { Shell } from '../command/verb.js';
import { type NewSweepOptions, startSweep } from './sweep.js';

const SEED = /^\s*seed\s*=/;

/** @param repeat number of seeds, from the config's own seed on */
export async function repeatRun(
  config: string,
  { experiment }: LoadedExperiment,
  repeat: number,
  options: Omit<NewSweepOptions, 'launcher' | 'queue' | 'sbatch'> & { readonly set: readonly string[] },
  shell: Shell,
): Promise<ExitCode> {
  const seeds = Array.from({ length: repeat }, (_, i) => experiment.seed + i);
  const loaded = fromCommandLine([config], [], {
    set: options.set.filter(assignment => !SEED.test(assignment)),
    flags: { seeds: seeds.join(',') },
  });
  return startSweep(loaded, { ...options, launcher: 'local', queue: undefined, sbatch: [] }, shell);
}
