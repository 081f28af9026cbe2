/** A review: runs judged from their files. */
import { EXIT, type ExitCode, usageError } from '../errors.js';
import { readBaseline } from '../experiment/baseline.js';
import type { Verdict } from '../experiment/events.js';
import type { GateResult } from '../experiment/summary.js';
import { type Comparison, compareWith, type Limits } from './against.js';
import { commandGates } from './command-gate.js';
import { groupsOf, judgeGroup } from './groups.js';
import type { Curves } from './history.js';
import { judgeRun, type RunReview } from './judge-run.js';
import { pin } from './pin.js';
import { type ReviewedRun, reviewedRun } from './run-facts.js';
import { runPaths } from './targets.js';
import { type SweepReview, Trials } from './trials.js';

export interface ReviewOptions extends Limits {
  /** Such as `test.accuracy >= 0.97 over best`. */
  readonly gates: readonly string[];
  /** A file to judge against. */
  readonly baseline?: string;
  /** A file to write a baseline to. */
  readonly pin?: string;
}

/** What is judged of several runs that differ in their seed alone; those that are not judged belong to none. */
export interface GroupReview {
  readonly name: string;
  /** Ids of its runs. */
  readonly runs: readonly string[];
  readonly seeds: readonly (number | null)[];
  readonly gates: readonly GateResult[];
  /** Absent where no baseline was given. */
  readonly comparison?: Comparison;
}

/** What `--json` prints; layout in schemas/review.schema.json. */
export interface Review {
  readonly version: 1;
  readonly verdict: Verdict;
  readonly exit_code: ExitCode;
  readonly runs: readonly RunReview[];
  readonly groups: readonly GroupReview[];
  /** Of which runs are reviewed. */
  readonly sweeps: readonly SweepReview[];
  /** The file that was written; null where none was. */
  readonly pinned: string | null;
}

export interface Reviewed {
  readonly review: Review;
  /** Of each run, in the order of the review's. */
  readonly curves: readonly Curves[];
}

/**
 * Judges the runs at `paths`: directories of runs, experiments, sweeps. Throws exit 2 where one of them is none, an option is wrong or a pin
 * is refused; exit 5 where a file is damaged.
 */
export function reviewRuns(paths: readonly string[], options: ReviewOptions): Reviewed {
  const gates = commandGates(options.gates);
  checkLimits(options);
  const baseline = options.baseline === undefined ? undefined : readBaseline(options.baseline);
  const runs = runPaths(paths).map(reviewedRun);
  const { max_drop, max_regress } = options;
  const trials = new Trials();
  const stopped = new Map(
    runs.map(run => [run, trials.notJudged(run.facts.directory, run.facts.state)] as const),
  );
  const groups = groupsOf(runs.filter(run => stopped.get(run) === undefined)).map((members): GroupReview => {
    const judged = judgeGroup(members, gates);
    return {
      name: members[0].facts.name,
      runs: members.map(({ facts }) => facts.run_id),
      seeds: members.map(({ facts }) => facts.seed),
      gates: judged,
      ...(baseline &&
        options.baseline !== undefined && {
          comparison: compareWith(
            options.baseline,
            baseline,
            members,
            { max_drop, max_regress },
            ownBaselines(members),
          ),
        }),
    };
  });
  const reviews = runs.map(run => judgeRun(run, gates, stopped.get(run)));
  if (options.pin !== undefined) pin(options.pin, runs);
  const verdict = worst(reviews, groups);
  return {
    review: {
      version: 1,
      verdict,
      exit_code: verdict === 'passed' ? EXIT.done : EXIT.gate,
      runs: reviews,
      groups,
      sweeps: trials.reviews,
      pinned: options.pin ?? null,
    },
    curves: runs.map(({ curves }) => curves),
  };
}

function checkLimits({ baseline, max_drop, max_regress }: ReviewOptions): void {
  const file = max_drop === undefined ? '--max-regress' : '--max-drop';
  if (max_drop !== undefined && max_regress !== undefined)
    throw usageError({
      code: 'cli/limits',
      message: '--max-drop and --max-regress exclude each other',
      file,
    });
  if (baseline === undefined && (max_drop ?? max_regress) !== undefined)
    throw usageError({
      code: 'cli/limits',
      message: 'a limit of the loss against a baseline needs one',
      file,
      expected: '--baseline FILE',
    });
}

/** Metrics that a gate of the config compares with its own baseline: it says what counts, so that noise is not asked. */
function ownBaselines(runs: readonly ReviewedRun[]): ReadonlySet<string> {
  const gates = runs.flatMap(({ summary }) => summary?.gates ?? []);
  return new Set(gates.filter(({ baseline }) => baseline !== undefined).map(({ metric }) => metric));
}

/** Where nothing was judged nothing has passed. */
function worst(runs: readonly RunReview[], groups: readonly GroupReview[]): Verdict {
  const judged = runs.filter(({ not_judged }) => not_judged === null);
  if (judged.length === 0) return 'inconclusive';
  const verdicts = [
    ...judged.flatMap(({ completed, gates }) => [completed.verdict, ...gates.map(({ verdict }) => verdict)]),
    ...groups.flatMap(({ gates, comparison }) =>
      [...gates, ...(comparison?.metrics ?? [])].map(({ verdict }) => verdict),
    ),
  ];
  if (verdicts.includes('failed')) return 'failed';
  return verdicts.includes('inconclusive') ? 'inconclusive' : 'passed';
}
