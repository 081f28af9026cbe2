/**
 * The hash of an experiment: configs with the same hash lead to the same weights and metrics on the
 * same data.
 */
import { createHash } from 'node:crypto';
import { relative, sep } from 'node:path';
import { configure } from 'safe-stable-stringify';
import type { Experiment } from './experiment.js';
import { mapPaths } from './merge/paths.js';
import { withoutYoungerDefaults } from './merge/younger-keys.js';
import { dependsOnLength } from './rules/schedule-checks.js';

const stringify = configure({ deterministic: true, strict: true });

export interface Hashes {
  /** SHA-256 (hex) of everything that affects results. */
  readonly hash: string;
  /** SHA-256 (hex) of everything that affects a single step. Extending training keeps it. */
  readonly stepHash: string;
}

/**
 * SHA-256 (hex) of everything that affects results, so without `name`, `description`,
 * `dataset.obtain`, `dataset.memory`, `checkpoint`, `gates`, `training.log_every` and
 * `training.metrics`. Paths are hashed relative to the config's directory, so that a checkout
 * elsewhere has the same hash. Younger keys count only if they differ from their defaults.
 * @param folder directory of the config; absolute
 */
export function hashExperiment(experiment: Experiment, folder: string): Hashes {
  const counted = withoutYoungerDefaults(experiment) as Experiment;
  const portable = mapPaths(counted, path => relative(folder, path).split(sep).join('/'));
  const { version, seed, dataset: described, model, loss, optimizer, training } = portable;
  const {
    obtain: _obtain,
    memory: _memory,
    ...dataset
  } = { obtain: undefined, memory: undefined, ...described };
  const { log_every: _, metrics: _metrics, ...trained } = training;
  const {
    num_epochs: _epochs,
    max_steps: _steps,
    max_skipped_batches: _skips,
    eval_batch_size: _evaluated,
    ...stepped
  } = trained;
  const rest = { version, seed, dataset, model, loss, optimizer };
  const hash = digest({ ...rest, training: trained });
  // then each step depends on the length of training
  if (dependsOnLength(optimizer.schedule)) return { hash, stepHash: hash };
  return { hash, stepHash: digest({ ...rest, training: stepped }) };
}

function digest(content: object): string {
  return createHash('sha256')
    .update(String(stringify(content)))
    .digest('hex');
}
