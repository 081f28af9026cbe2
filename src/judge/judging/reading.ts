/** Reads the runs of a review. A damaged run does not prevent others from being judged. */
import { basename, dirname } from 'node:path';
import { type Diagnostic, EXIT, placeOf, UserError } from '../../util/errors.js';
import { type Doubt, type ReviewedRun, reviewedRun } from './run-facts.js';
import { type SweepReview, Trials } from './trials.js';

export interface DamagedRun {
  readonly directory: string;
  readonly run_id: string;
  readonly name: string;
  readonly message: string;
}

export interface ReadRuns {
  readonly runs: readonly ReviewedRun[];
  readonly damaged: readonly DamagedRun[];
  readonly sweeps: readonly SweepReview[];
  stopped(run: ReviewedRun): string | undefined;
  refuseDamage(): void;
}

/** @param doubts reasons, other than their files, to doubt runs, by directory */
export function readRuns(paths: readonly string[], doubts?: ReadonlyMap<string, Doubt>): ReadRuns {
  const trials = new Trials();
  const runs = new Map<ReviewedRun, string | undefined>();
  const damaged: DamagedRun[] = [];
  const problems: Diagnostic[] = [];
  for (const directory of paths) {
    try {
      const run = trials.placed(reviewedRun(directory, doubts?.get(directory)));
      runs.set(run, trials.notJudged(directory, run.facts.state));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(...error.diagnostics);
      const message = error.diagnostics.map(one => `${placeOf(one)}${one.message}`).join('; ');
      damaged.push({ directory, run_id: basename(directory), name: basename(dirname(directory)), message });
    }
  }
  return {
    runs: [...runs.keys()],
    damaged,
    sweeps: trials.reviews,
    stopped: run => runs.get(run),
    refuseDamage: () => {
      if (problems.length > 0) throw new UserError(EXIT.damaged, problems);
    },
  };
}
