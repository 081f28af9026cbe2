/**
 * Handles `run CONFIG --directory D` if D contains a run of another config: lists the differences
 * and suggests what to do.
 */
import type { LoadedExperiment } from '../../config/index.js';
import type { RunDirectory } from '../../run/directory.js';
import { usageError } from '../../util/errors.js';
import { type Change, configChanges, describeChanges, kindOf } from './changes.js';
import { frozenConfig } from './frozen-config.js';

/**
 * @throws UserError (exit 2) listing every key that differs, with its classification
 * @throws UserError (exit 5) if the config in `directory` was edited
 */
export function refuseOtherConfig(directory: RunDirectory, loaded: LoadedExperiment): void {
  const manifest = directory.readManifest();
  if (manifest === undefined) return;
  const found = configChanges(frozenConfig(directory, manifest), loaded);
  // with equal hashes, only data paths may differ, as in another checkout
  const changes = manifest.config_hash === loaded.hash ? found.filter(isOutsideHash) : found;
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

const isOutsideHash = ({ key }: Change): boolean => /^(checkpoint|gates|training\.log_every)(\.|$)/.test(key);

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
