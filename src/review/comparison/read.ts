/** The runs that the arguments of `compare` name. */

import { bestRow, readSweepResults } from '../../sweep/results/index.js';
import { type Diagnostic, EXIT, UserError } from '../../util/errors.js';
import { kindOf, runsAt } from '../reading/find.js';
import { type RunRecord, readRun } from '../reading/run-record.js';
import type { Comparison } from './document.js';
import type { Group } from './sides.js';

export interface ReadGroups {
  /** One for each argument that any run is left of. */
  readonly groups: readonly Group[];
  readonly leftOut: Comparison['left_out'];
  /** Why runs were left out, located. */
  readonly warnings: readonly Diagnostic[];
  /** What to end with where what is left is too little. */
  readonly error: UserError | undefined;
}

/**
 * Each argument is a run, a sweep, or a folder of runs.
 * @throws UserError (exit 2) with every argument that is none of these; a run that cannot be read
 *   is left out
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
      // killed before it said what it is; there is nothing in it
      else if (read.manifest === undefined && read.summary === undefined)
        leftOut.push({ run, reason: 'it ended before it began to train' });
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
 * Those of a sweep's best trial, with each seed; none where `path` is no sweep, or one that has no
 * best yet.
 */
function bestRuns(path: string): ReadonlySet<string> {
  if (kindOf(path) !== 'sweep') return new Set();
  const { directory, plan, records } = readSweepResults(path);
  const best = bestRow(plan, records);
  if (best === undefined) return new Set();
  return new Set(plan.seeds.map(seed => directory.runPath({ trial: best.trial, seed })));
}

/** Puts what a user can cause among `errors`; undefined then. */
function tried<T>(action: () => T, errors: UserError[]): T | undefined {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    errors.push(error);
    return undefined;
  }
}

/** Damage outweighs what is only wrong. */
function joined(errors: readonly UserError[]): UserError | undefined {
  if (errors.length === 0) return undefined;
  const isDamage = errors.some(({ exitCode }) => exitCode === EXIT.damaged);
  return new UserError(
    isDamage ? EXIT.damaged : EXIT.usage,
    errors.flatMap(({ diagnostics }) => diagnostics),
  );
}
