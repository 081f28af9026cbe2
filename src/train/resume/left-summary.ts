/** The summary that a run's last process wrote. A resume reads its times, but can do without it. */
import { renameSync } from 'node:fs';
import type { RunDirectory } from '../../run/directory.js';
import { withFileErrors } from '../../run/files.js';
import { refuseUnlessOwned } from '../../run/locks/ownership.js';
import { readEvents } from '../../run/log.js';
import type { Summary } from '../../run/summary.js';
import { damagedError, EXIT, UserError } from '../../util/errors.js';

export interface LeftSummary {
  /** Undefined if missing or unusable. */
  readonly summary: Summary | undefined;
  /** Why an existing summary is unusable. */
  readonly problem: string | undefined;
  /**
   * Renames an unusable summary to `*.damaged`.
   * @throws UserError (exit 1) if the system refuses
   */
  setAside(): void;
}

/**
 * Reads the summary without changing anything.
 * @throws UserError (exit 2) if it cannot be read and `strict` is set
 * @throws UserError (exit 5) if it is damaged and `strict` is set
 */
export function leftSummary(
  directory: RunDirectory,
  runId: string,
  { strict }: { readonly strict: boolean },
): LeftSummary {
  try {
    const summary = directory.readSummary();
    refuseForeign(summary, directory, runId);
    if (summary !== undefined) refuseEdited(directory);
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

/** Refuses a summary that differs from the one that was there when the log ended. */
function refuseEdited(directory: RunDirectory): void {
  const { log, summary } = directory.files;
  const end = readEvents(log).at(-1);
  if (end?.event !== 'run.end' || end.summary_sha256 === undefined) return;
  if (end.summary_sha256 === directory.digestOf('summary')) return;
  throw damagedError({
    code: 'run/summary-edited',
    message: 'the summary does not match the digest in the log: it was edited after the run',
    file: summary,
  });
}

/**
 * Refuses another run's summary. When a renamed run resumed, older versions recorded its new name,
 * so the directory's name is accepted too.
 */
function refuseForeign(summary: Summary | undefined, directory: RunDirectory, runId: string): void {
  if (summary === undefined || [runId, directory.id].includes(summary.run_id)) return;
  throw damagedError({
    code: 'run/foreign-summary',
    message: `this is the summary of another run, ${summary.run_id}`,
    file: directory.files.summary,
  });
}
