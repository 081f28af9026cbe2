/**
 * Values that a run was trained with before a resume changed them. A run with changed values is not
 * a replicate of an unchanged run.
 */
import { changesResults, effectsOf } from '../../config/key-facts.js';
import type { Json } from '../../run/json.js';
import type { Manifest } from '../../run/manifest.js';

/**
 * Keys such as `optimizer.learning_rate until step 36` with their earlier values. Only for keys
 * that change results, and values with which at least one step was made.
 */
export function earlierValues(config: object, manifest: Manifest | undefined): [key: string, value: Json][] {
  return (manifest?.changes ?? [])
    .filter(({ key, step }) => step > 0 && changesResults(key, config))
    .filter(({ key }) => effectsOf(key, config).some(effect => effect !== 'length'))
    .map(({ key, step, from }) => [`${key} until step ${step}`, from]);
}
