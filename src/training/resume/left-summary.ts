/**
 * The summary that a run's last process left, which a resume reads for its times and can do
 * without.
 */
import { renameSync } from 'node:fs';
import { withFileErrors } from '../../experiment/files/file-error.js';
import { refuseUnlessOwned } from '../../experiment/locks/ownership.js';
import type { RunDirectory } from '../../experiment/run-directory.js';
import type { Summary } from '../../experiment/summary.js';
import { damagedError, EXIT, UserError } from '../../util/errors.js';

export interface LeftSummary {
  /** Undefined where there is none of use. */
  readonly summary: Summary | undefined;
  /** Why one that is there is of no use. */
  readonly problem: string | undefined;
  /**
   * Gives one of no use another name.
   * @throws UserError (exit 1) if the system refuses
   */
  setAside(): void;
}

/**
 * Changes nothing.
 * @throws UserError (exit 2) or 5 where it cannot be read or is damaged and `strict`
 */
export function leftSummary(
  directory: RunDirectory,
  runId: string,
  { strict }: { readonly strict: boolean },
): LeftSummary {
  try {
    const summary = directory.readSummary();
    refuseForeign(summary, directory, runId);
    return { summary, problem: undefined, setAside: () => {} };
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode === EXIT.unexpected || strict) throw error;
    const { summary: path } = directory.files;
    return {
      summary: undefined,
      problem: `${error.message}; it is renamed, and the times of its process are lost`,
      setAside: () => {
        refuseUnlessOwned(path);
        withFileErrors(path, () => renameSync(path, `${path}.damaged`));
      },
    };
  }
}

/** Older versions called a run that was renamed by its new name when it went on. */
function refuseForeign(summary: Summary | undefined, directory: RunDirectory, runId: string): void {
  if (summary === undefined || [runId, directory.id].includes(summary.run_id)) return;
  throw damagedError({
    code: 'run/foreign-summary',
    message: `this is the summary of another run, ${summary.run_id}`,
    file: directory.files.summary,
  });
}
