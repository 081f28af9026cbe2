/**
 * What a run was trained with before a resume changed it: a run that changed on its way is a
 * replicate of none that did not.
 */
import type { Json } from '../../experiment/files/json.js';
import type { Manifest } from '../../experiment/manifest.js';
import { effectsOf } from '../comparison/effects.js';

/**
 * `optimizer.learning_rate until step 36`, with the value that it had; only of what alters results,
 * and where steps were made with it.
 */
export function earlierValues(manifest: Manifest | undefined): [key: string, value: Json][] {
  return (manifest?.changes ?? [])
    .filter(({ key, step }) => step > 0 && effectsOf(key).some(effect => effect !== 'length'))
    .map(({ key, step, from }) => [`${key} until step ${step}`, from]);
}
