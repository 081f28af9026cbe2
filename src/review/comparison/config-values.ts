/** A config as its values by key, so that configs can be compared key by key. */
import { flatValues } from '../../config/merge/flat.js';
import { earlierValues } from '../reading/earlier-values.js';
import type { RunRecord } from '../reading/run-record.js';
import { effectsOf, isDataPath } from './effects.js';

export type ConfigValues = ReadonlyMap<string, unknown>;

/** By key paths such as `gates.0.min`, in the config's order. */
export function valuesOf(config: RunRecord['config']): ConfigValues {
  return new Map(flatValues(config));
}

/** Whether the dataset is drawn with the experiment's seed. */
export function drawsWithSeed(values: ConfigValues): boolean {
  return values.has('dataset.seed') && values.get('dataset.seed') === values.get('seed');
}

/**
 * The values that decide the results, but for the seed, those that were changed on the way
 * included: runs in which all of these are equal are replicates of each other. Files of data count
 * by what is in them where the manifest knows it.
 */
export function decisiveValues({ config, manifest }: RunRecord): ConfigValues {
  const digests = manifest?.datasets.map(({ sha256 }) => sha256).join(' ');
  const decisive = new Map<string, unknown>();
  for (const [key, value] of [...valuesOf(config), ...earlierValues(manifest)]) {
    if (key === 'seed' || effectsOf(key).length === 0) continue;
    if (digests !== undefined && isDataPath(key)) continue;
    decisive.set(key, value);
  }
  // drawn data have another digest with each seed
  if (digests !== undefined && !decisive.has('dataset.seed')) decisive.set(DATA, digests);
  return decisive;
}

/** What stands for the bytes of the data in `decisiveValues`; no key of a config. */
export const DATA = 'data';
