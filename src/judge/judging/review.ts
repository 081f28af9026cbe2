/** Reviews runs: judges them from their files. */

import { basename, dirname, join, resolve, sep } from '../../host/index.js';
import { type Baseline, readBaseline } from '../../run/baseline.js';
import type { Verdict } from '../../run/events.js';
import { runPaths } from '../../run/find.js';
import { gateSentence, type WrittenGate } from '../../run/gates.js';
import { caught, type Diagnostic, EXIT, forAll, UserError, usageError } from '../../util/errors.js';
import { keysApart, replacedRuns, replicatesOf } from '../deciding.js';
import { compareWith, type Limits, pin } from './baselines.js';
import type { DamagedRun, GroupReview, Review, RunReview } from './document.js';
import { commandGate, judgeGroup, judgeRun } from './gates.js';
import { type Doubt, type ReviewedRun, reviewedRun } from './run-facts.js';
import { Trials } from './trials.js';

export interface ReviewOptions extends Limits {
  readonly gates: readonly string[];
  readonly baseline?: string | undefined;
  readonly pin?: string | undefined;
  readonly doubts?: ReadonlyMap<string, Doubt> | undefined;
}

export type Reviewed = ReturnType<typeof reviewRuns>;

/** Lists damaged runs in the review, unless a baseline is pinned. */
export function reviewRuns(paths: readonly string[], options: ReviewOptions) {
  const gates = forAll(options.gates, commandGate);
  checkLimits(options);
  const baseline = options.baseline === undefined ? undefined : readBaseline(options.baseline);
  const trials = new Trials(directory => isAsked(directory, paths));
  const runs: ReviewedRun[] = [];
  const damaged: DamagedRun[] = [];
  const problems: Diagnostic[] = [];
  for (const directory of runPaths(paths)) {
    const run = caught(() => trials.placed(reviewedRun(directory, options.doubts?.get(directory))));
    if (!(run instanceof UserError)) runs.push(run);
    else {
      problems.push(...run.diagnostics);
      const names = { run_id: basename(directory), name: basename(dirname(directory)) };
      damaged.push({ directory, ...names, message: run.message.replaceAll('\n', '; ') });
    }
  }
  const sweeps = trials.reviews;
  if (options.pin !== undefined && problems.length > 0) throw new UserError(EXIT.damaged, problems);
  const judged = runs.filter(({ notJudged }) => notJudged === null);
  const names = [...new Set(judged.map(({ facts }) => facts.name))];
  const groups = names.flatMap(name => {
    const parts = replicatesOf(judged.filter(({ facts }) => facts.name === name));
    const apart = keysApart(parts);
    return parts.map(({ values, runs }) => ({
      ...reviewGroup(runs, gates, baseline, options),
      distinct: Object.fromEntries([...values].filter(([key]) => apart.includes(key))),
    }));
  });
  const reviews = runs.map(run => judgeRun(run, gates));
  if (options.pin !== undefined) pin(options.pin, judged.length > 0 ? judged : runs);
  const isDamaged =
    damaged.length > 0 ||
    judged.some(({ doubt }) => doubt?.isDamage) ||
    sweeps.some(({ state }) => state === 'damaged');
  const isUnfinished = sweeps.some(sweep => sweep.state !== 'completed' && isAsked(sweep.directory, paths));
  const verdict = worst(reviews, groups, isDamaged || isUnfinished);
  const exit_code = isDamaged
    ? EXIT.damaged
    : verdict === 'passed' || verdict === 'no gate'
      ? EXIT.done
      : EXIT.gate;
  const all = { runs: reviews, damaged, groups, sweeps, pinned: options.pin ?? null };
  const review: Review = { version: 1, verdict, exit_code, ...all };
  return { review, curves: runs.map(({ curves }) => curves) };
}

/** Judges runs of several seeds by the gates of their config. @returns those over seeds first */
export function judgeSeeds(paths: readonly string[]) {
  const { review } = reviewRuns(paths, { gates: [] });
  const gates = [
    ...review.groups.flatMap(({ gates }) => gates.map(gate => ({ seed: null, fold: undefined, gate }))),
    ...review.runs.flatMap(({ seed, fold, gates }) => gates.map(gate => ({ seed, fold, gate }))),
  ];
  const verdicts = gates.map(({ seed, fold, gate }) => {
    const sentence = gateSentence(gate);
    const which = fold === undefined ? `Seed ${seed}` : `Fold ${fold}`;
    return {
      seed,
      ...(fold !== undefined && { fold }),
      gate,
      sentence: seed === null ? sentence : `${which}: ${sentence}`,
    };
  });
  return { verdicts, exitCode: review.exit_code };
}

function reviewGroup(
  all: readonly ReviewedRun[],
  gates: readonly WrittenGate[],
  baseline: Baseline | undefined,
  { baseline: file, max_drop, max_regress }: ReviewOptions,
): Omit<GroupReview, 'distinct'> {
  const limits = { max_drop, max_regress };
  const replaced = replacedRuns(all.map(({ record }) => record));
  const reasonOf = ({ record, leftOut }: ReviewedRun) => replaced.get(record) ?? leftOut;
  const counted = all.filter(run => reasonOf(run) === null);
  // named alone, a run counts
  const members = counted.length > 0 ? counted : all.filter(({ record }) => !replaced.has(record));
  const folds = members.flatMap(({ facts }) => facts.fold ?? []);
  return {
    name: members[0].facts.name,
    runs: members.map(({ facts }) => facts.run_id),
    seeds: members.map(({ facts }) => facts.seed),
    ...(folds.length > 0 && { folds }),
    left_out: all
      .filter(run => !members.includes(run))
      .map(run => ({ run_id: run.record.id, reason: reasonOf(run) ?? '' })),
    gates: judgeGroup(members, gates),
    ...(baseline &&
      file !== undefined && {
        comparison: compareWith(file, baseline, members, limits, ownBaselines(members)),
      }),
  };
}

function checkLimits({ baseline, max_drop, max_regress }: ReviewOptions): void {
  const given = [max_drop, max_regress].filter(limit => limit !== undefined);
  if (given.length === 0 || (given.length === 1 && baseline !== undefined)) return;
  throw usageError('cli/limits', 'a limit needs a baseline, and there can be only one', {
    file: max_drop === undefined ? '--max-regress' : '--max-drop',
    expected: '--baseline FILE with either --max-drop or --max-regress',
  });
}

/** A gate of the config with a baseline of its own decides, instead of the noise. */
function ownBaselines(runs: readonly ReviewedRun[]): ReadonlySet<string> {
  const gates = runs.flatMap(({ record }) => record.summary?.gates ?? []);
  return new Set(gates.filter(({ baseline }) => baseline !== undefined).map(({ metric }) => metric));
}

/** True if the whole sweep is reviewed, not only some of its trials. */
function isAsked(directory: string, paths: readonly string[]): boolean {
  return paths.some(path => `${directory}${sep}`.startsWith(join(resolve(path), sep)));
}

/**
 * The worst of all verdicts; inconclusive if nothing was judged.
 * @param isPartial true if runs are missing, since they are damaged or their sweep is unfinished
 */
function worst(
  runs: readonly RunReview[],
  groups: readonly GroupReview[],
  isPartial: boolean,
): Review['verdict'] {
  const judged = runs.filter(({ not_judged }) => not_judged === null);
  const verdicts: Verdict[] = [
    ...(isPartial || judged.length === 0 ? (['inconclusive'] as const) : []),
    ...judged.flatMap(({ completed, gates }) => [completed.verdict, ...gates.map(({ verdict }) => verdict)]),
    ...groups.flatMap(({ gates, comparison }) =>
      [...gates, ...(comparison?.metrics ?? [])].map(({ verdict }) => verdict),
    ),
  ];
  if (verdicts.includes('failed')) return 'failed';
  if (verdicts.includes('inconclusive')) return 'inconclusive';
  // completion alone does not pass
  return verdicts.length > judged.length ? 'passed' : 'no gate';
}
