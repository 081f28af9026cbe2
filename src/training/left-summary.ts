/**
 * The summary that a run's last process left, which a resume reads for its times and can do
 * without.
 */
import { renameSync } from 'node:fs';
import { EXIT, UserError } from '../errors.js';
import { naming } from '../experiment/file-error.js';
import type { RunDirectory } from '../experiment/run-directory.js';
import type { Summary } from '../experiment/summary.js';

export interface LeftSummary {
  /** Undefined where there is none of use. */
  readonly summary: Summary | undefined;
  /** Why one that is there is of no use. */
  readonly problem: string | undefined;
  /** Gives one of no use another name. Throws exit 1 where the system refuses. */
  setAside(): void;
}

/** Throws exit 2 or 5 where it cannot be read or is damaged and `strict`. Changes nothing. */
export function leftSummary(directory: RunDirectory, { strict }: { readonly strict: boolean }): LeftSummary {
  try {
    return { summary: directory.readSummary(), problem: undefined, setAside: () => {} };
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode === EXIT.unexpected || strict) throw error;
    const { summary: path } = directory.files;
    return {
      summary: undefined,
      problem: `${error.message}; it is set aside, and with it the times of the process that wrote it`,
      setAside: () => naming(path, () => renameSync(path, `${path}.damaged`)),
    };
  }
}
