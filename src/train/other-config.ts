/** Handles `run CONFIG --directory D` if D contains a run of another config. */
import { changesResults, type LoadedExperiment } from '../config/index.js';
import type { RunDirectory } from '../run/directory.js';
import { frozenConfig } from '../run/run.js';
import { damagedError, usageError } from '../util/errors.js';
import { configChanges, describeChanges, kindOf } from './changes.js';
import { weightsChanged } from './weights.js';

/** Refuses another config, and lists every key that differs and what to do. */
export function refuseOtherConfig(directory: RunDirectory, loaded: LoadedExperiment): void {
  const manifest = directory.readManifest();
  if (manifest === undefined) return;
  const { initial_weights: then, config_hash } = manifest;
  const { experiment, weightsDigest: now } = loaded;
  if (then && experiment.model.init_from === then.name && now !== undefined && now !== then.sha256)
    throw damagedError(weightsChanged(then.name, then.sha256, now));
  // with equal hashes, only data paths may differ, as in another checkout
  const changes = configChanges(frozenConfig(directory, manifest), loaded).filter(
    ({ key }) => config_hash !== loaded.hash || !changesResults(key, experiment),
  );
  if (changes.length === 0) return;
  const isHopeless =
    changes.some(change => kindOf(change, loaded) === 'impossible') ||
    changes.some(({ to }) => to === null || typeof to === 'object');
  const set = changes.map(({ key, to }) => `--set ${key}=${String(to)}`);
  const unsafe = changes.filter(change => kindOf(change, loaded) === 'unsafe');
  const flags = [...set, ...unsafe.map(({ key }) => `--allow-change ${key}`)].join(' ');
  const advice = isHopeless
    ? '`resume` continues the run with its own config; this config needs a directory of its own'
    : `\`resume ${flags}\` resumes the run with the changes`;
  throw usageError(
    {
      code: 'run/other-config',
      message: `the run in this directory was started with another config; ${advice}`,
      file: directory.path,
    },
    ...describeChanges(changes, [], loaded),
  );
}
