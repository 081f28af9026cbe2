/**
 * Reviews runs of a sweep's trials. A run that its sweep paused or pruned is not judged, nor, if
 * the whole sweep is reviewed, one that it did not choose; all others are. Its gates are located in
 * the user's config, not in the sweep's copy of it.
 */
import { basename, dirname, relative } from '../../host/index.js';
import { sweepFolder } from '../../run/find.js';
import { STATE_WORDS } from '../../run/run.js';
import { readSweepResults, runsOfResult, type SweepResults } from '../../sweep/results.js';
import {
  allReplicates,
  changedFiles,
  missingRuns,
  sweepCautions,
  type TrialRow,
  troubleOf,
} from '../../sweep/trials.js';
import { caught, UserError } from '../../util/errors.js';
import { rounded } from '../../util/numbers.js';
import { counted } from '../../util/words.js';
import type { SweepReview } from './document.js';
import type { ReviewedRun } from './run-facts.js';

interface KnownSweep {
  readonly review: SweepReview;
  /** Undefined if they cannot be read. */
  readonly results?: SweepResults;
  /** By the directories of their runs. */
  readonly rows: ReadonlyMap<string, TrialRow>;
}

const CHOSEN = 'its sweep chose the trial for this value, so only the new seeds count';

/** Reads the sweeps of the runs that it is asked about, each once. */
export class Trials {
  private readonly sweeps = new Map<string, KnownSweep>();

  /** @param isWhole whether all trials of the sweep in a directory are reviewed */
  constructor(private readonly isWhole: (directory: string) => boolean) {}

  placed(run: ReviewedRun): ReviewedRun {
    const trial = this.trialOf(run.facts.directory);
    if (trial === undefined) return run;
    const { plan, records, row, best } = trial;
    const { facts, asked } = withOrigins(run, plan);
    const ofSweep = row === best ? sweepCautions(plan, records.rows) : [];
    const cautions = [...facts.cautions, ...ofSweep];
    const reason = contradiction(run, trial);
    const doubt = run.doubt ?? (reason === undefined ? undefined : { reason, isDamage: true });
    const isReplaced = row === best && row.repeats.length > 0;
    const leftOut = isReplaced && !runsOfResult(trial).includes(facts.directory) ? CHOSEN : null;
    const isOther = doubt === undefined && this.isWhole(trial.directory.path);
    const reasons = [notJudged(run, trial), isOther ? notChosen(run, trial) : null];
    const why = reasons.find(reason => reason !== null) ?? null;
    return { ...run, asked, facts: { ...facts, cautions }, doubt, notJudged: why, leftOut };
  }

  get reviews(): SweepReview[] {
    return Array.from(this.sweeps.values(), sweep =>
      this.isWhole(sweep.review.directory) ? withRunsChecked(sweep) : sweep.review,
    );
  }

  private trialOf(run: string): Trial | undefined {
    const folder = sweepFolder(run);
    if (folder === undefined) return undefined;
    const known = this.sweeps.get(folder) ?? readSweep(folder);
    this.sweeps.set(folder, known);
    const row = known.rows.get(run);
    return row && known.results && { ...known.results, row };
  }
}

type Trial = NonNullable<KnownSweep['results']> & { readonly row: TrialRow };

function notJudged({ facts: { state } }: ReviewedRun, { row, plan }: Trial): string | null {
  // any other state means trouble, whatever was decided about the trial
  const isStopped = state === 'interrupted' || state === 'completed';
  if (!isStopped || (row.state !== 'paused' && row.state !== 'pruned')) return null;
  return `${row.state} by its sweep after ${row.epochs} of ${counted(plan.epochs, 'epoch')}`;
}

/**
 * Why a completed run of another trial than the best is not judged: the test split says once how
 * good the choice is.
 */
function notChosen({ facts }: ReviewedRun, { row, best, plan }: Trial): string | null {
  const hasEnded = facts.state === 'completed' && row.state === 'completed' && row.value !== null;
  if (!hasEnded || !best || row === best) return null;
  return `${plan.objective.metric} ${rounded(row.value, 6)}; its sweep chose trial ${best.trial}`;
}

/** How a completed run contradicts the records of its sweep; undefined if it does not. */
function contradiction({ facts, last }: ReviewedRun, { plan, row }: Trial): string | undefined {
  const seedResult = [...row.seeds, ...row.repeats].find(
    ({ seed, fold }) => seed === facts.seed && fold === facts.fold,
  );
  if (seedResult === undefined || facts.state !== 'completed') return undefined;
  if (facts.epochs !== null && facts.epochs > seedResult.epochs)
    return `it continued to epoch ${facts.epochs}, but its sweep recorded ${seedResult.epochs}`;
  const { metric } = plan.objective;
  const value = last(metric);
  const isSame = Number.isFinite(value) ? value === seedResult.value : seedResult.value === null;
  return isSame ? undefined : `its sweep recorded ${metric} ${seedResult.value}, but the run has ${value}`;
}

/** Moves gates to the user's config; to the whole file if the sweep lacks their positions. */
function withOrigins({ facts, asked }: ReviewedRun, { bases }: Trial['plan']) {
  const copy = facts.config_files.at(-1);
  const base = bases.find(({ name }) => copy?.endsWith(`configs/${name}`));
  if (base === undefined) return { facts, asked };
  const placed = asked.map((gate, i) => {
    const isOfCopy = gate.origin.startsWith(`${copy}:`);
    return isOfCopy ? { ...gate, origin: base.gate_origins?.[i] ?? base.file } : gate;
  });
  return { asked: placed, facts: { ...facts, config_files: base.config_files ?? [] } };
}

/**
 * The review of a sweep with all its trials: damaged if the run of a trial is missing, or if trials
 * were trained with different contents of a file.
 */
function withRunsChecked({ review, results }: KnownSweep): SweepReview {
  if (results === undefined) return review;
  const { directory, records } = results;
  const found = [...missingRuns(directory, records), ...changedFiles(directory, records)].map(
    ({ message, file = '' }) => `${message}: ${relative(directory.path, file)}`,
  );
  if (found.length === 0) return review;
  const message = [...(review.message === null ? [] : [review.message]), ...found].join('; ');
  return { ...review, state: 'damaged', message };
}

function readSweep(directory: string): KnownSweep {
  const results = caught(() => readSweepResults(directory));
  if (results instanceof UserError) {
    const name = basename(dirname(directory));
    return {
      review: { directory, name, state: 'damaged', message: results.message.replaceAll('\n', '; ') },
      rows: new Map(),
    };
  }
  const { plan, state, records } = results;
  const rows = records.rows.flatMap(row =>
    allReplicates(plan).map(run => [results.directory.runPath({ trial: row.trial, ...run }), row] as const),
  );
  const review = { directory, name: plan.name, state, message: messageOf(results) };
  return { review, results, rows: new Map(rows) };
}

function messageOf({ state, records, damage }: SweepResults): string | null {
  const trouble = troubleOf(records)?.message;
  const ended =
    state === 'completed' ? undefined : `the sweep ${STATE_WORDS[state]}${trouble ? `: ${trouble}` : ''}`;
  const parts = [ended, ...damage].filter(part => part !== undefined);
  return parts.length === 0 ? null : parts.join('; ');
}
