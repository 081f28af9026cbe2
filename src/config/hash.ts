/** The identity of an experiment: two configs with the same hash give the same weights and metrics on the same data. */
import { createHash } from 'node:crypto';
import { relative, sep } from 'node:path';
import { configure } from 'safe-stable-stringify';
import type { MemoryConfig } from '../data/reading/memory.js';
import type { Experiment } from './experiment.js';
import { mapPaths } from './merge/paths.js';
import { withoutYoungerDefaults } from './merge/younger-keys.js';
import { dependsOnLength } from './rules/schedule-checks.js';

const stringify = configure({ deterministic: true, strict: true });

export interface Hashes {
  /** Of the whole training: the identity of the experiment. */
  readonly hash: string;
  /** Of a step, however many of them there are to be: it stays when a training is prolonged. */
  readonly stepHash: string;
}

/**
 * SHA-256 (hex) of what defines the results. Left out is what only names, watches or judges them:
 * `name`, `description`, `checkpoint`, `gates`, `training.log_every`, `training.metrics`,
 * `dataset.memory`. Paths count relative to the config's folder, so that a checkout elsewhere has
 * the same hash. A key that is younger than the first hashes counts only if it is not at its
 * default.
 * @param folder of the config; absolute
 */
export function hashExperiment(experiment: Experiment, folder: string): Hashes {
  const counted = withoutYoungerDefaults(experiment) as Experiment;
  const portable = mapPaths(counted, path => relative(folder, path).split(sep).join('/'));
  const { version, seed, dataset, model, loss, optimizer, training } = portable;
  const { memory: _memory, ...data }: typeof dataset & MemoryConfig = dataset;
  const { log_every: _, metrics: _metrics, ...trained } = training;
  const {
    num_epochs: _epochs,
    max_steps: _steps,
    max_skipped_batches: _skips,
    eval_batch_size: _evaluated,
    ...stepped
  } = trained;
  const rest = { version, seed, dataset: data, model, loss, optimizer };
  const hash = digest({ ...rest, training: trained });
  // with such a schedule a training of another length has other steps
  if (dependsOnLength(optimizer.schedule)) return { hash, stepHash: hash };
  return { hash, stepHash: digest({ ...rest, training: stepped }) };
}

function digest(content: object): string {
  return createHash('sha256')
    .update(String(stringify(content)))
    .digest('hex');
}
