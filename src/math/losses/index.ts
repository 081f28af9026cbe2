/** Losses by the `kind` of a config; typed against the config's union so that none is missing. */
import type { LossConfig } from '../../config/index.js';
import { Recent } from '../../util/recent.js';
import { binaryCrossEntropy } from './binary_cross_entropy.js';
import { crossEntropy } from './cross_entropy.js';
import { huber } from './huber.js';
import type { Loss, LossSettings, SettingsOf } from './loss.js';
import { mae } from './mae.js';
import { mse } from './mse.js';
import { quantile } from './quantile.js';

export type { LossSettings } from './loss.js';

const losses: { readonly [K in LossConfig['kind']]: (settings: SettingsOf<K>) => Loss } = {
  cross_entropy: crossEntropy,
  binary_cross_entropy: binaryCrossEntropy,
  mse,
  mae,
  huber,
  quantile,
};

const made = new Recent<Loss>(20);

/**
 * Returns the loss for `settings`; the same object for equal settings, so that compiled programs
 * are shared.
 */
export function lossOf<S extends LossSettings>(settings: S): Loss {
  const make = losses[settings.kind] as (settings: S) => Loss;
  return made.get(JSON.stringify(settings), () => make(settings));
}
