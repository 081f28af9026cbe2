/** Reads the runs that the arguments of `compare` name. */

import { kindOf, runsAt } from '../../run/find.js';
import { type RunRecord, readRun } from '../../run/record.js';
import { bestRow, readSweepResults } from '../../sweep/index.js';
import { type Diagnostic, EXIT, UserError } from '../../util/errors.js';
import type { Comparison } from './document.js';
import type { Group } from './sides.js';

export interface ReadGroups {
  /** One for each argument with at least one readable run. */
  readonly groups: readonly Group[];
  readonly leftOut: Comparison['left_out'];
  /** Why runs were left out, with file and line. */
  readonly warnings: readonly Diagnostic[];
  /** The error to throw if too few runs are left. */
  readonly error: UserError | undefined;
}

/**
 * Reads the runs of each argument: a run, a sweep, or a folder of runs. Runs that cannot be read
 * are left out.
 * @throws UserError (exit 2) if an argument is none of these; lists all such arguments
 * @throws UserError (exit 5) if the plan of a sweep is damaged
 */
export function readGroups(paths: readonly string[]): ReadGroups {
  const wrong: UserError[] = [];
  const found = paths.map(path => ({ path, runs: tried(() => runsAt(path), wrong) ?? [] }));
  const refused = joined(wrong);
  if (refused !== undefined) throw refused;
  const leftOut: Comparison['left_out'][number][] = [];
  const errors: UserError[] = [];
  const groups = found.map(({ path, runs }) => {
    const records: RunRecord[] = [];
    for (const { path: run } of runs) {
      const read = tried(() => readRun(run), errors);
      if (read === undefined) leftOut.push({ run, reason: 'it cannot be read' });
      // killed before it wrote a manifest
      else if (read.manifest === undefined && read.summary === undefined)
        leftOut.push({ run, reason: 'it ended before training started' });
      else records.push(read);
    }
    return { argument: path, runs: records, first: bestRuns(path) };
  });
  return {
    groups: groups.filter(({ runs }) => runs.length > 0),
    leftOut,
    warnings: errors.flatMap(({ diagnostics }) => diagnostics),
    error: joined(errors),
  };
}

/**
 * Directories of the runs of a sweep's best trial, one per seed. Empty if `path` is not a sweep or
 * the sweep has no best trial yet.
 */
function bestRuns(path: string): ReadonlySet<string> {
  if (kindOf(path) !== 'sweep') return new Set();
  const { directory, plan, records } = readSweepResults(path);
  const best = bestRow(plan, records);
  if (best === undefined) return new Set();
  return new Set(plan.seeds.map(seed => directory.runPath({ trial: best.trial, seed })));
}

/** Runs `action`. If it throws a `UserError`, adds that to `errors` and returns undefined. */
function tried<T>(action: () => T, errors: UserError[]): T | undefined {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    errors.push(error);
    return undefined;
  }
}

/** One error with all diagnostics; exit 5 if any of them is about damage, else exit 2. */
function joined(errors: readonly UserError[]): UserError | undefined {
  if (errors.length === 0) return undefined;
  const isDamage = errors.some(({ exitCode }) => exitCode === EXIT.damaged);
  return new UserError(
    isDamage ? EXIT.damaged : EXIT.usage,
    errors.flatMap(({ diagnostics }) => diagnostics),
  );
}
