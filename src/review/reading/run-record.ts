/**
 * A run as its directory tells of it, whether or not a process still works on it, and whatever
 * machine and day it is from.
 */
import { readPlainConfig } from '../../config/merge/plain.js';
import { withYoungerDefaults } from '../../config/merge/younger-keys.js';
import { isLocked } from '../../experiment/locks/run-lock.js';
import type { RunStatus } from '../../experiment/log/events.js';
import type { Manifest } from '../../experiment/manifest.js';
import { RunDirectory } from '../../experiment/run-directory.js';
import type { Summary } from '../../experiment/summary.js';

/** `killed`: no process works on it and none said how it ended. */
export type RunState = RunStatus | 'running' | 'killed';

export interface RunRecord {
  readonly directory: RunDirectory;
  readonly id: string;
  /** The experiment. */
  readonly name: string;
  readonly state: RunState;
  /** The resolved config as plain values; not checked against today's schema. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Absent where the run was killed before it wrote one. */
  readonly manifest: Manifest | undefined;
  /**
   * As the process wrote it that ended last, in order; of a run that goes on it tells of that time.
   */
  readonly summary: Summary | undefined;
}

/**
 * @throws UserError (exit 2) if `path` is no run directory or a file in it cannot be read
 * @throws UserError (exit 5) if one is damaged
 */
export function readRun(path: string): RunRecord {
  const directory = RunDirectory.open(path);
  const manifest = directory.readManifest();
  const summary = directory.readSummary();
  const config = withYoungerDefaults(readPlainConfig(directory.files.resolvedConfig));
  const name =
    manifest?.name ?? summary?.name ?? (typeof config.name === 'string' ? config.name : directory.id);
  // a folder may be renamed; what is in it names the run
  const id = manifest?.run_id ?? summary?.run_id ?? directory.id;
  return { directory, id, name, state: stateOf(directory, summary), config, manifest, summary };
}

function stateOf({ files }: RunDirectory, summary: Summary | undefined): RunState {
  if (isLocked(files.lock)) return 'running';
  return summary?.status ?? 'killed';
}
