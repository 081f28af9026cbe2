/** The summary that a run's last process wrote. A resume reads its times, but can do without it. */
import { renameSync } from 'node:fs';
import type { RunDirectory } from '../../run/directory.js';
import { withFileErrors } from '../../run/file-errors.js';
import { refuseUnlessOwned } from '../../run/lock.js';
import { lastRecord } from '../../run/log.js';
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
    if (summary !== undefined) refuseOther(summary, directory, runId);
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

/** Refuses another run's summary, and one that is not as it was when the log ended. */
function refuseOther({ run_id }: Summary, directory: RunDirectory, runId: string): void {
  const { log, summary: file } = directory.files;
  const code = 'run/summary-changed';
  if (run_id !== runId)
    throw damagedError({ code, message: `this is the summary of another run, ${run_id}`, file });
  const end = lastRecord(log);
  if (end?.event !== 'run.end' || end.summary_sha256 === directory.digestOf('summary.json')) return;
  throw damagedError({ code, message: 'this file does not match its digest in log.jsonl', file });
}
