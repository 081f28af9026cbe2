/** Writes the results of a sweep: `trials.csv`, `summary.json` and `best.yaml`. */
import { type LoadedExperiment, loadExperiment } from '../../config/index.js';
import { launcher } from '../../util/root.js';
import { counted } from '../../util/words.js';
import type { SweepPlan } from '../plan.js';
import type { Importance } from '../search/importance.js';
import { describePoint } from '../space.js';
import type { SweepDirectory } from '../sweep-directory.js';
import { baseOf, overridesOf } from '../trial-runs.js';
import { type ObjectiveBaseline, objectiveBaseline } from './baseline.js';
import { selectedOnTest, sweepCautions } from './cautions.js';
import { importanceOf } from './importances.js';
import { readSweepResults, type SweepResults, type SweepState } from './read.js';
import { formatTable } from './table.js';
import { fullTable } from './trial-table.js';
import {
  bestRow,
  betterEarlier,
  ranked,
  type SweepRecords,
  type TrialRow,
  type TrialState,
} from './trials.js';

/** Writes the results from the journal; the same journal produces the same files.
 * @returns the results that were read */
export function writeResults(directory: SweepDirectory): SweepResults {
  const results = readSweepResults(directory.path);
  const { plan, records } = results;
  directory.write('table', formatTable(fullTable(plan, records.rows), 'csv'));
  directory.write('summary', `${JSON.stringify(summaryOf(results), undefined, 2)}\n`);
  const best = bestRow(plan, records);
  if (best !== undefined)
    directory.write('best', bestYaml(plan, directory, best, { cautions: sweepCautions(plan, records.rows) }));
  return results;
}

/** The config of a trial's first seed, ready to run, with a header about its origin. */
export function bestYaml(
  plan: SweepPlan,
  directory: SweepDirectory,
  row: TrialRow,
  { cautions, id = directory.id }: { readonly cautions: readonly string[]; readonly id?: string },
): string {
  const { metric } = plan.objective;
  const seeds =
    plan.seeds.length === 1
      ? ''
      : `, the mean over the seeds ${plan.seeds.join(', ')}${row.spread === null ? '' : ` (spread ${row.spread})`}`;
  const head = [
    `Trial ${row.trial} of the sweep ${plan.name} (${id}), its best: ${metric} ${row.value} after`,
    `${row.epochs} of ${counted(plan.epochs, 'epoch')}${seeds}.`,
    ...cautions.map(caution => `Caution: ${caution}.`),
    `  ${describePoint(row.point)}`,
    `  ${launcher} best.yaml`,
  ];
  return `${head.map(line => `# ${line}\n`).join('')}${trialConfig(plan, directory, row).resolvedYaml}`;
}

/** @throws UserError (exit 2) if the sweep's frozen configs were changed or are missing */
export function trialConfig(
  plan: SweepPlan,
  directory: SweepDirectory,
  { point }: Pick<TrialRow, 'point'>,
  seed = plan.seeds[0],
): LoadedExperiment {
  const set = [...overridesOf(plan, point), `seed=${seed}`];
  return loadExperiment(directory.baseFile(baseOf(plan, point)), { set });
}

const STATES: readonly TrialState[] = [
  'running',
  'stopped',
  'paused',
  'pruned',
  'completed',
  'diverged',
  'failed',
];

/** A trial in the summary. */
interface SummaryTrial extends Pick<TrialRow, 'trial' | 'state' | 'epochs' | 'value' | 'spread' | 'point'> {
  /** Run directories, in the order of the seeds. */
  readonly runs: readonly string[];
}

/** `summary.json` of a sweep; layout in schemas/sweep-summary.schema.json. */
export interface SweepSummary {
  readonly version: 1;
  readonly sweep_id: string;
  readonly name: string;
  readonly status: SweepState;
  readonly reason: SweepRecords['reason'] | null;
  readonly directory: string;
  readonly objective: SweepPlan['objective'];
  readonly trials: number;
  readonly states: Readonly<Record<TrialState, number>>;
  readonly epochs_trained: number;
  readonly duration_s: number | null;
  /** As in a run's summary. */
  readonly selected_on_test?: readonly string[];
  readonly best: SummaryTrial | null;
  /** The best trivial baseline on the objective; absent if unknown. */
  readonly baseline?: ObjectiveBaseline;
  /** A better value after fewer epochs than the best trial has. */
  readonly better_earlier: SummaryTrial | null;
  /** The best five. */
  readonly top: readonly SummaryTrial[];
  readonly importance: readonly Importance[] | null;
}

/** The content of `summary.json` and `sweep --json`. */
export function summaryOf(results: SweepResults): SweepSummary {
  const { directory, plan, state, records } = results;
  const { rows } = records;
  const best = bestRow(plan, records);
  const better = betterEarlier(plan, rows, best);
  const baseline = objectiveBaseline(plan, directory, records);
  const selected = selectedOnTest(plan, rows);
  const described = (row: TrialRow): SummaryTrial => ({
    trial: row.trial,
    state: row.state,
    epochs: row.epochs,
    value: row.value,
    spread: row.spread,
    point: row.point,
    runs: plan.seeds.map(seed => directory.runPath({ trial: row.trial, seed })),
  });
  const counts = STATES.map(name => [name, rows.filter(row => row.state === name).length]);
  return {
    version: 1,
    sweep_id: directory.id,
    name: plan.name,
    status: state,
    reason: records.reason ?? null,
    directory: directory.path,
    objective: plan.objective,
    trials: rows.length,
    states: Object.fromEntries(counts) as Readonly<Record<TrialState, number>>,
    epochs_trained: records.epochsTrained,
    duration_s: records.seconds ?? null,
    ...(selected.length > 0 && { selected_on_test: selected }),
    best: best === undefined ? null : described(best),
    ...(baseline && { baseline }),
    better_earlier: better === undefined ? null : described(better),
    top: ranked(plan, rows)
      .filter(({ value }) => value !== null)
      .slice(0, 5)
      .map(described),
    importance: importanceOf(plan, rows),
  };
}
