/**
 * Handles `run CONFIG --directory D` if D contains a run of another config: lists the differences
 * and suggests what to do.
 */
import { changesResults, type LoadedExperiment } from '../config/index.js';
import type { RunDirectory } from '../run/directory.js';
import type { Manifest } from '../run/manifest.js';
import { frozenConfig } from '../run/run.js';
import { damagedError, usageError } from '../util/errors.js';
import { type Change, configChanges, describeChanges, kindOf } from './changes.js';
import { weightsChanged } from './weights.js';

/**
 * @throws UserError (exit 2) listing every key that differs, with its classification
 * @throws UserError (exit 5) if the config in `directory` was edited
 */
export function refuseOtherConfig(directory: RunDirectory, loaded: LoadedExperiment): void {
  const manifest = directory.readManifest();
  if (manifest === undefined) return;
  refuseOtherWeights(manifest, loaded);
  const found = configChanges(frozenConfig(directory, manifest), loaded);
  // with equal hashes, only data paths may differ, as in another checkout
  const changes =
    manifest.config_hash === loaded.hash
      ? found.filter(({ key }) => !changesResults(key, loaded.experiment))
      : found;
  if (changes.length === 0) return;
  throw usageError(
    {
      code: 'run/other-config',
      message: `the run in this directory was started with another config; ${advice(changes, loaded)}`,
      file: directory.path,
    },
    ...describeChanges(changes, [], loaded),
  );
}

/** @throws UserError (exit 5) if the initial weights have changed since the run started */
function refuseOtherWeights(
  { initial_weights: then }: Manifest,
  { experiment, weightsDigest }: LoadedExperiment,
): void {
  const { init_from } = experiment.model;
  if (!then || init_from !== then.name || weightsDigest === undefined) return;
  if (weightsDigest !== then.sha256)
    throw damagedError(weightsChanged(then.name, then.sha256, weightsDigest));
}

function advice(changes: readonly Change[], loaded: LoadedExperiment): string {
  const kinds = changes.map(change => kindOf(change, loaded));
  if (kinds.includes('impossible'))
    return 'it cannot continue with this config, which needs a directory of its own';
  const settable = changes.every(({ to }) => to !== null && typeof to !== 'object');
  if (!settable)
    return '`resume` continues the run with its own config; this config needs a directory of its own';
  const set = changes.map(({ key, to }) => `--set ${key}=${String(to)}`);
  const allow = changes.flatMap(change =>
    kindOf(change, loaded) === 'unsafe' ? [`--allow-change ${change.key}`] : [],
  );
  return `\`resume ${[...set, ...allow].join(' ')}\` resumes the run with the changes`;
}
