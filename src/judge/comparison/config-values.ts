/** Configs as maps from keys to values, to compare them key by key. */
import { effectsOf, isInputPath } from '../../config/key-facts.js';
import { flatValues } from '../../config/merge/flat.js';
import type { RunRecord } from '../../run/record.js';
import { earlierValues } from './earlier-values.js';

export type ConfigValues = ReadonlyMap<string, unknown>;

/** The values of a config by key paths such as `gates.0.min`, in the config's order. */
export function valuesOf(config: RunRecord['config']): ConfigValues {
  return new Map(flatValues(config));
}

/** True if the dataset is generated from the experiment's seed. */
export function drawsWithSeed(values: ConfigValues): boolean {
  return values.has('dataset.seed') && values.get('dataset.seed') === values.get('seed');
}

/**
 * The values that determine the results, except the seed, including values that a resume changed.
 * Runs with equal values are replicates of each other. Data files and initial weights are compared
 * by their digests if the manifest has them.
 */
export function decisiveValues({ config, manifest }: RunRecord): ConfigValues {
  const digests = manifest?.datasets.map(({ sha256 }) => sha256).join(' ');
  const decisive = new Map<string, unknown>();
  for (const [key, value] of [...valuesOf(config), ...earlierValues(config, manifest)]) {
    if (key === 'seed' || effectsOf(key, config).length === 0) continue;
    if (key === 'model.init_from') decisive.set(key, manifest?.initial_weights?.sha256 ?? value);
    else if (digests === undefined || !isInputPath(key)) decisive.set(key, value);
  }
  // generated data have a different digest for each seed
  if (digests !== undefined && !decisive.has('dataset.seed')) decisive.set(DATA, digests);
  return decisive;
}

/** Key of the data's digests in `decisiveValues`; not a key of a config. */
export const DATA = 'data';
