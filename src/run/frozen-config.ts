/** The config that a run was started with, which everything that computes with the run uses. */
import { dirname } from 'node:path';
import { type LoadedExperiment, loadExperiment, type OpenOptions } from '../config/index.js';
import { damagedError, UserError } from '../util/errors.js';
import type { RunDirectory } from './directory.js';
import { digestOfFile, isAbsent } from './files.js';
import type { Manifest } from './manifest.js';

/**
 * How to load the config of a run, so that its hash is that of the original config: paths in it are
 * relative to the folder of the original file.
 */
export function frozenOptions(
  directory: RunDirectory,
  { config_files, initial_weights }: Manifest,
): Pick<OpenOptions, 'folder' | 'weights'> {
  return { folder: dirname(config_files.at(-1) ?? directory.path), weights: initial_weights?.sha256 };
}

/**
 * Changes nothing: if a process was killed while it changed the config, the new one is still in a
 * file of another name.
 * @throws UserError (exit 5) if it is not the file that the run wrote
 * @throws UserError (exit 2) if it cannot be read
 */
export function frozenConfig(directory: RunDirectory, manifest: Manifest): LoadedExperiment {
  const { resolvedConfig } = directory.files;
  const sha256 = manifest.digests[directory.nameOf(resolvedConfig)];
  const file = [resolvedConfig, directory.nextConfig].find(
    path => !isAbsent(path) && digestOfFile(path) === sha256,
  );
  if (file !== undefined) return loadExperiment(file, frozenOptions(directory, manifest));
  throw damagedError({
    code: 'run/config-changed',
    message:
      'this file does not match its digest in manifest.json: it was damaged, or edited after the run started',
    file: resolvedConfig,
    expected: 'the file from a backup; to change a key, use `resume --set KEY=VALUE`',
  });
}

/**
 * True if `config.yaml` in the directory is not the config that the run was started with: a run
 * resumes without it.
 */
export function isGivenConfigEdited(directory: RunDirectory, { digests }: Manifest): boolean {
  const name = directory.nameOf(directory.files.config);
  try {
    return ![undefined, digests[name]].includes(directory.digestOf(name));
  } catch (error) {
    if (error instanceof UserError) return true;
    throw error;
  }
}
