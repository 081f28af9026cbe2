/**
 * A run as read from its directory. It may still be running, and may be from another machine or
 * version.
 */
import { readPlainConfig } from '../config/merge/plain.js';
import { RunDirectory } from './directory.js';
import type { RunStatus } from './events.js';
import { changedInputs, refuseDamage } from './integrity.js';
import { isLocked } from './lock.js';
import type { Manifest } from './manifest.js';
import type { Summary } from './summary.js';

/** `killed`: no process is running it, and none recorded its end. */
export type RunState = RunStatus | 'running' | 'killed';

export interface RunRecord {
  readonly directory: RunDirectory;
  readonly id: string;
  /** Name of the experiment. */
  readonly name: string;
  readonly state: RunState;
  /** The resolved config as plain values, not checked against the current schema. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Undefined if the run was killed before it wrote one. */
  readonly manifest: Manifest | undefined;
  /**
   * Written by the last process that stopped normally. Out of date if the run was resumed since.
   */
  readonly summary: Summary | undefined;
}

/**
 * Reads a run without its log.
 * @throws UserError (exit 2) if `path` is not a run directory or a file in it cannot be read
 * @throws UserError (exit 5) if a file is damaged
 */
export function readRun(path: string): RunRecord {
  const directory = RunDirectory.open(path);
  const manifest = directory.readManifest();
  const summary = directory.readSummary();
  const config = plainConfig(directory, manifest);
  const name =
    manifest?.name ?? summary?.name ?? (typeof config.name === 'string' ? config.name : directory.id);
  // the directory may have been renamed
  const id = manifest?.run_id ?? summary?.run_id ?? directory.id;
  return { directory, id, name, state: stateOf(directory, summary), config, manifest, summary };
}

function plainConfig(directory: RunDirectory, manifest: Manifest | undefined): RunRecord['config'] {
  try {
    return readPlainConfig(directory.files.resolvedConfig);
  } catch (error) {
    // a damaged file is no mistake of the user
    if (manifest) refuseDamage(directory, changedInputs(directory, manifest));
    throw error;
  }
}

function stateOf({ files }: RunDirectory, summary: Summary | undefined): RunState {
  if (isLocked(files.lock)) return 'running';
  return summary?.status ?? 'killed';
}
