/** The results of a sweep, whether or not a process is working on it. */

import { join } from 'node:path';
import { loadExperiment } from '../config/index.js';
import { splitSeedOf } from '../config/metrics.js';
import type { Experiment } from '../config/schema/experiment.js';
import { largerIsBetter, rangeOf } from '../math/metrics/index.js';
import { summarizeSeeds } from '../run/baseline.js';

import { kindOf } from '../run/find.js';
import { trivialValues } from '../run/gates.js';
import { readJson } from '../run/json.js';
import { isLocked } from '../run/lock.js';
import { Run } from '../run/run.js';
import type { Summary } from '../run/summary.js';
import { usageError } from '../util/errors.js';
import { rounded } from '../util/numbers.js';
import { launcher } from '../util/root.js';
import * as s from '../util/schema.js';
import { foldInterval, meanInterval } from '../util/statistics.js';
import { type Field, formatTable, type Table, tableOf } from '../util/table.js';
import { counted } from '../util/words.js';
import { baseOf, overridesOf, SweepDirectory } from './directory.js';
import { readJournal } from './journal.js';
import { objective, replicatesOf, replicateWords, type SweepPlan, signOf } from './schedule/plan.js';
import { endReason, spread, trialNumber } from './schedule/records.js';
import { type Importance, importance } from './search/importance.js';
import { canonical, describePoint, describeValue, type Point, point } from './search/space.js';
import { runSummary } from './segment.js';
import {
  bestRow,
  betterEarlier,
  ranked,
  recordsOf,
  type SweepRecords,
  selectedOnTest,
  sweepCautions,
  TRIAL_STATES,
  type TrialRow,
  trialStates,
  troubleOf,
} from './trials.js';

/** Writes the results from the journal; the same journal produces the same files. */
export function writeResults(directory: SweepDirectory): SweepResults {
  const results = readSweepResults(directory.path);
  const { plan, records, best } = results;
  const table = trialTable(plan, records.rows, { changed: false, bySeed: true });
  directory.write('table', formatTable(table, 'csv'));
  directory.write('summary', `${JSON.stringify(summaryOf(results), undefined, 2)}\n`);
  if (best !== undefined) directory.write('best', bestYaml(results, best));
  return results;
}

/** The config of a trial's first seed, ready to run, with a header about its origin. */
function bestYaml({ plan, directory, records }: SweepResults, row: TrialRow): string {
  const spread = row.spread === null ? '' : ` (spread ${row.spread})`;
  const over = `, the mean over ${plan.folds} folds${spread}`;
  const seeds =
    plan.folds !== undefined
      ? over
      : plan.seeds.length === 1
        ? ''
        : `, the mean over the seeds ${plan.seeds.join(', ')}${spread}`;
  const head = [
    `Trial ${row.trial} of the sweep ${plan.name} (${directory.id}), its best: ${plan.objective.metric} ${row.value} after`,
    `${row.epochs} of ${counted(plan.epochs, 'epoch')}${seeds}.`,
    ...sweepCautions(plan, records.rows).map(caution => `Caution: ${caution}.`),
    `  ${describePoint(row.point)}`,
    `  ${launcher} best.yaml`,
  ];
  const file = directory.baseFile(baseOf(plan, row.point));
  const folds =
    plan.folds === undefined ? [] : [`folds=${JSON.stringify(foldsOf(file, plan.final ?? false))}`];
  const set = [...overridesOf(plan, row.point), `seed=${plan.seeds[0]}`, ...folds];
  const { resolvedYaml } = loadExperiment(file, { set });
  return `${head.map(line => `# ${line}\n`).join('')}${resolvedYaml}`;
}

/** `folds` of a config whose test split is one of them. */
function foldsOf(file: string, final: boolean): Experiment['folds'] {
  const { of: count, select, group } = Object(Object(loadExperiment(file).experiment.dataset).test);
  const random = group === undefined ? 'random' : 'group';
  const by = { stratified: 'stratified', random, last: 'time' }[String(select)] as 'random' | undefined;
  if (count === undefined) return { by: 'leave_one_out', group, final };
  return { count, ...(by && { by }), group, final };
}

/** True for one point with several seeds or folds: an experiment whose gates count. */
export function isRepetition({ space, seeds, folds }: Pick<SweepPlan, 'space' | 'seeds' | 'folds'>): boolean {
  return space.parameters.length === 0 && (seeds.length > 1 || folds !== undefined);
}

/** The content of `summary.json` and `sweep --json`. */
export function summaryOf(results: SweepResults): SweepSummary {
  const { directory, plan, state, records, best } = results;
  const { rows } = records;
  const better = betterEarlier(plan, rows, best);
  const baseline = objectiveBaseline(results);
  const metrics = finalMetrics(results);
  const selected = selectedOnTest(plan, rows);
  const final = finalRun(results);
  const described = ({ trial, state, epochs, value, spread, point }: TrialRow) => {
    const runs = runsOf(results, trial, plan.seeds);
    return { trial, state, epochs, value, spread, point, runs };
  };
  const counts = TRIAL_STATES.map(name => [name, rows.filter(row => row.state === name).length]);
  return {
    version: 1,
    sweep_id: directory.id,
    name: plan.name,
    status: state,
    reason: records.reason ?? null,
    directory: directory.path,
    objective: plan.objective,
    trials: rows.length,
    states: Object.fromEntries(counts) as SweepSummary['states'],
    epochs_trained: records.epochsTrained,
    duration_s: records.seconds ?? null,
    ...(selected.length > 0 && { selected_on_test: selected }),
    best: best === undefined ? null : described(best),
    ...(best && plan.repeat_best && { repeats: runsOfResult(results) }),
    ...(final !== undefined && { final }),
    ...(metrics.length > 0 && { metrics }),
    ...(baseline && { baseline }),
    better_earlier: better === undefined ? null : described(better),
    top: ranked(plan, rows)
      .filter(({ value }) => value !== null)
      .slice(0, 5)
      .map(described),
    importance: importanceOf(plan, rows),
  };
}

/**
 * The runs that the result of a sweep is measured on: those of its best trial with the seeds of
 * `repeat_best`, if there are any, because it was chosen for its values with the others.
 */
export function runsOfResult(results: SweepResults): string[] {
  const { best, plan } = results;
  return best === undefined ? [] : runsOf(results, best.trial, plan.repeat_best ?? plan.seeds);
}

/** The run on all data, once it is trained. */
export function finalRun({ directory, best, plan }: SweepResults): string | undefined {
  const isDone = best?.final?.some(({ status }) => status === 'done');
  return isDone ? directory.runPath({ trial: best?.trial ?? 0, seed: plan.seeds[0], fold: 0 }) : undefined;
}

/** The runs that predict for some paths, together if there are several. */
interface PredictingRuns {
  readonly runs: readonly string[];
  /** Chosen for the mean of all of them; absent without. */
  readonly thresholds?: readonly number[] | undefined;
}

/**
 * The runs that predict for each path: the run itself; of a sweep the one on all data, or else
 * those of its result, together.
 * @throws UserError (exit 2) if a sweep has no best trial, or folds have no threshold yet
 */
export function predictingRuns(paths: readonly string[]): PredictingRuns {
  const all = paths.map((path): PredictingRuns => {
    if (kindOf(path) !== 'sweep') return { runs: [path] };
    const results = readSweepResults(path);
    const final = finalRun(results);
    if (final !== undefined) return { runs: [final] };
    const runs = runsOfResult(results);
    if (runs.length > 0) return { runs, thresholds: thresholdsOfFolds(results, runs) };
    throw usageError('sweep/no-best', 'no trial of this sweep has a value yet', { file: path });
  });
  return all.length === 1 ? all[0] : { runs: all.flatMap(({ runs }) => runs) };
}

/** The thresholds of the runs of the folds together; undefined without `threshold` or folds. */
function thresholdsOfFolds(results: SweepResults, [run]: readonly string[]) {
  if (results.plan.folds === undefined || Run.open(run).config.threshold === undefined) return undefined;
  const known = readOutOfFold(results)?.thresholds;
  if (known) return known;
  const message = 'the folds have no threshold yet: it is chosen once all of them are predicted';
  const file = results.directory.path;
  const expected = `\`${launcher} sweep resume ${file}\` first, or the run of one fold`;
  throw usageError('sweep/no-threshold', message, { file, expected });
}

/** Those of several seeds, whose gates count. */
export function repeatedRuns(results: SweepResults): string[] {
  const { plan } = results;
  return plan.repeat_best !== undefined || isRepetition(plan) ? runsOfResult(results) : [];
}

/** Whether the seeds of a result have the same splits; empty for splits that are not drawn. */
export function splitsSentence(results: SweepResults): string {
  if (results.plan.folds !== undefined) return '';
  const { dataset } = Run.open(runsOfResult(results)[0]).config as Pick<Experiment, 'dataset'>;
  const seed = splitSeedOf(dataset);
  if (seed === undefined) return '';
  return typeof seed === 'number'
    ? `All seeds have the splits of seed ${seed}.`
    : 'Each seed has splits of its own.';
}

/**
 * The ratio of tested to training sequences, the mean over the folds.
 * @param config of one of them
 */
export function foldRatio({ dataset }: Readonly<Record<string, unknown>>, folds: number): number {
  const { kind, test } = Object(dataset);
  if (kind !== 'forecast' && Object(test).select !== 'last') return 1 / (folds - 1);
  // fold i is trained on about as many sequences as i folds have
  return Array.from({ length: folds }, (_, i) => 1 / (i + 1) / folds).reduce((sum, part) => sum + part, 0);
}

function runsOf({ directory, plan }: SweepResults, trial: number, seeds: readonly number[]): string[] {
  return replicatesOf(plan, seeds).map(run => directory.runPath({ trial, ...run }));
}

export type SweepResults = ReturnType<typeof readSweepResults>;

/** Reads the undamaged parts of a sweep. */
export function readSweepResults(path: string) {
  const directory = SweepDirectory.open(path);
  const { plan } = directory;
  const { records: journal, damage } = readJournal(directory.files.journal);
  const records = recordsOf(journal, plan);
  const state = stateOf(directory, records);
  // without a process, running trials are stopped
  const rows = records.rows.map(row =>
    row.state === 'running' ? { ...row, state: 'stopped' as const } : row,
  );
  const settled = state === 'running' ? records : { ...records, rows };
  const best = bestRow(plan, settled);
  return { directory, plan, state, records: settled, best, journal, damage };
}

/** Whether a process is working on the sweep in `folder`, as far as known. */
export function isSweepWorkedOn(folder: string): boolean {
  return isLocked(join(folder, 'sweep.lock'));
}

function stateOf({ files }: SweepDirectory, records: SweepRecords): SweepState {
  if (isLocked(files.lock)) return 'running';
  if (records.isComplete) return troubleOf(records) === undefined ? 'completed' : 'failed';
  if (records.isStopped) return 'interrupted';
  return records.started === undefined ? 'not begun' : 'killed';
}

/**
 * The 95 % interval of the mean, within the range of the metric; null for too few values.
 * @param ratio of tested to training sequences, if the values are of folds
 */
export function intervalOfMean(metric: string, values: readonly number[], ratio: number | undefined) {
  const found = ratio === undefined ? meanInterval(values) : foldInterval(values, ratio);
  const { min, max } = rangeOf(metric);
  return found && { low: Math.max(min, found.low), high: Math.min(max, found.high) };
}

/**
 * The final metrics of the best trial, over its seeds or those of `repeat_best`. Those of other
 * trials are not shown: the best of many values of the test split would be optimistic.
 */
export function finalMetrics(results: SweepResults): FinalMetric[] {
  const { plan, best } = results;
  const seeds = plan.repeat_best ?? plan.seeds;
  if (best === undefined || (seeds === plan.seeds && best.state !== 'completed')) return [];
  const runs = runsOfResult(results);
  const summaries = completed(runs);
  if (summaries === undefined) return [];
  const ratio = plan.folds === undefined ? undefined : foldRatio(Run.open(runs[0]).config, plan.folds);
  return (['test', 'validation'] as const).flatMap(split => {
    const measured = summaries.map(({ metrics }) => metrics[split] ?? {});
    return Object.keys(measured[0]).flatMap(name => {
      const values = measured.map(metrics => metrics[name]);
      if (!values.every(Number.isFinite)) return [];
      const metric = `${split}.${name}`;
      const numbers = replicatesOf(plan, seeds).map(({ seed, fold = seed }) => fold);
      const { mean, spread, by_seed } = summarizeSeeds(
        Object.fromEntries(numbers.map((number, i) => [number, values[i]])),
      );
      const baseline = trivialOver(metric, summaries);
      const by = plan.folds === undefined ? { by_seed } : { by_fold: by_seed };
      const interval = intervalOfMean(metric, values, ratio);
      return [{ metric, mean, spread, interval, ...by, ...(baseline && { baseline }) }];
    });
  });
}

/** The metrics over the sequences of all folds together, and what they are over; empty without. */
export function outOfFoldMetrics(results: SweepResults) {
  const { sequences, metrics } = readOutOfFold(results) ?? { sequences: 0, metrics: [] };
  const rows = metrics.map(({ value, ...row }): FinalMetric => ({ ...row, mean: value, spread: null }));
  return { over: `over ${counted(sequences, 'sequence')}`, metrics: rows };
}

/** Undefined before all folds are predicted. @throws UserError (exit 5) if the file is damaged */
export function readOutOfFold({ directory }: SweepResults): OutOfFold | undefined {
  return readJson(directory.files.outOfFold, 'out-of-fold');
}

/** The summaries of runs; undefined if not all of them are completed. */
function completed(runs: readonly string[]): Summary[] | undefined {
  const found = runs.flatMap(run => runSummary(run) ?? []);
  return found.filter(({ status }) => status === 'completed').length < runs.length ? undefined : found;
}

/** The best trivial baseline of a metric, by its mean over the runs; undefined if there is none. */
function trivialOver(metric: string, runs: readonly Summary[]): TrivialBaseline | undefined {
  const [first = [], ...others] = runs.map(({ baselines }) => trivialValues(metric, baselines));
  const means = first.flatMap(({ name, value }) => {
    const values = others.map(other => other.find(one => one.name === name)?.value ?? Number.NaN);
    const mean = [value, ...values].reduce((sum, term) => sum + term, 0) / runs.length;
    return Number.isFinite(mean) ? [{ name, value: mean }] : [];
  });
  const sign = largerIsBetter(metric) ? -1 : 1;
  return means.toSorted((a, b) => sign * (a.value - b.value)).at(0);
}

/**
 * Final metrics as a table; the spread and interval of several seeds.
 * @param over what the values are over; absent: seeds or folds
 */
export function metricsTable(metrics: readonly FinalMetric[], over?: string): Table {
  const { by_fold, by_seed = by_fold ?? {} } = metrics[0] ?? {};
  const count = Object.keys(by_seed).length;
  const what = by_fold ? 'folds' : 'seeds';
  const digits = (value: number): string => rounded(value, 5);
  const fields: Field<FinalMetric>[] = [
    { name: 'metric', of: ({ metric }) => metric },
    {
      name: over ?? (count > 1 ? `mean of ${count} ${what}` : 'value'),
      show: digits,
      of: ({ mean }) => mean,
    },
    { name: 'spread', show: digits, of: ({ spread }) => spread },
    {
      name: '95 % interval',
      of: ({ interval }) => interval && `${digits(interval.low)} to ${digits(interval.high)}`,
    },
    {
      name: 'trivial baseline',
      of: ({ baseline }) => (baseline ? `${digits(baseline.value)} (${baseline.name})` : null),
    },
  ];
  const isKnown = ({ of }: Field<FinalMetric>): boolean =>
    metrics.some((metric, i) => of(metric, i) !== null);
  return tableOf(fields.filter(isKnown), metrics);
}

/** Trials whose runs are read for baselines, which pruned runs do not have. */
const READ_TRIALS = 10;

/** The best trivial baseline of the objective, from the best completed trial that has any. */
export function objectiveBaseline(results: SweepResults): TrivialBaseline | undefined {
  const { plan, records, best } = results;
  const others = ranked(plan, records.rows).filter(({ state }) => state === 'completed');
  for (const { trial } of [...(best ? [best] : []), ...others].slice(0, READ_TRIALS)) {
    const runs = runsOf(results, trial, plan.seeds).flatMap(run => runSummary(run) ?? []);
    const found = trivialOver(plan.objective.metric, runs);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Says that the best trial is no better; undefined if it is, or if there is nothing to compare. */
export function trivialSentence(
  results: SweepResults,
  baseline: TrivialBaseline | undefined,
): string | undefined {
  const { plan, best } = results;
  const { objective, repeat_best } = plan;
  const repeated = repeat_best && finalMetrics(results).find(({ metric }) => metric === objective.metric);
  const value = repeated?.mean ?? best?.value ?? null;
  if (baseline === undefined || value === null) return undefined;
  if (signOf(objective) * (value - baseline.value) < 0) return undefined;
  const over = plan.folds === undefined ? 'seeds' : 'folds';
  const what = isRepetition(plan) ? `the mean over the ${over}` : 'the best trial';
  return `${what} is no better than the trivial baseline`;
}

/** Of more trials an even selection is used for importances, with about the same result. */
const MAX_TRIALS = 300;
/** With fewer trials the importances depend mostly on chance. */
const MIN_TRIALS = 20;
const MIN_TRIALS_PER_PARAMETER = 10;

/** Null if too few trials have a value after the same number of epochs, or all are equal. */
export function importanceOf(plan: SweepPlan, rows: readonly TrialRow[]): readonly Importance[] | null {
  // values after different numbers of epochs are different measures: take the most frequent number
  const byEpochs = new Map<number, TrialRow[]>();
  for (const row of rows)
    if (row.value !== null) byEpochs.set(row.rung, [...(byEpochs.get(row.rung) ?? []), row]);
  const [all = []] = [...byEpochs.values()].toSorted((a, b) => b.length - a.length);
  const needed = Math.max(MIN_TRIALS, MIN_TRIALS_PER_PARAMETER * plan.space.parameters.length);
  if (all.length < needed) return null;
  const every = Math.max(1, Math.ceil(all.length / MAX_TRIALS));
  const sign = signOf(plan.objective);
  const trials = all
    .filter((_, i) => i % every === 0)
    .map(({ point, value }) => ({ point, value: sign * (value as number) }));
  const found = importance(plan.space, trials);
  return found.length === 0 ? null : found;
}

/**
 * The trials with their parameters, `changed`: only those that differ between these trials; and,
 * `bySeed`, with the result of each seed.
 */
export function trialTable(
  plan: SweepPlan,
  rows: readonly TrialRow[],
  { changed, bySeed = false }: { readonly changed: boolean; readonly bySeed?: boolean },
): Table {
  const { metric } = plan.objective;
  const runs = replicatesOf(plan, plan.seeds);
  const isMean = runs.length > 1;
  const digits = (value: number): string => rounded(value, 5);
  const spread: Field<TrialRow> = { name: 'spread', show: digits, of: row => row.spread };
  const results = runs.map(
    (run): Field<TrialRow> => ({
      name: `${metric}_${replicateWords(run).replace(' ', '_')}`,
      of: row => row.seeds.find(({ seed, fold }) => seed === run.seed && fold === run.fold)?.value ?? null,
    }),
  );
  const fields: Field<TrialRow>[] = [
    { name: 'trial', of: row => row.trial },
    { name: 'state', of: row => row.state },
    { name: 'epochs', of: row => row.epochs },
    { name: metric, show: digits, of: row => row.value },
    ...(isMean ? [spread] : []),
    {
      name: 'seconds',
      show: value => value.toFixed(value < 10 ? 1 : 0),
      of: row => Number(row.seconds.toFixed(3)),
    },
    ...parameterFields(plan).filter(({ name }) => !changed || differs(rows, name)),
    ...(isMean && bySeed ? results : []),
  ];
  return tableOf(fields, rows);
}

/** The parameters, titled by the last part of their keys if that is unique. */
export function parameterFields({ space }: Pick<SweepPlan, 'space'>): Field<{ readonly point: Point }>[] {
  const short = (name: string): string =>
    name
      .split(',')
      .map(key => key.split('.').at(-1) ?? key)
      .join(',');
  const titles = space.parameters.map(({ name }) => short(name));
  return space.parameters.map(({ name }, i) => ({
    name,
    title: titles.filter(title => title === titles[i]).length === 1 ? titles[i] : name,
    show: value => rounded(value),
    of: ({ point }) => {
      const value = point[name];
      if (value === undefined) return null;
      return typeof value === 'number' ? value : value === null ? 'null' : describeValue(value);
    },
  }));
}

function differs(rows: readonly TrialRow[], name: string): boolean {
  const texts = rows.map(({ point }) => (point[name] === undefined ? '' : canonical(point[name])));
  return texts.some(text => text !== texts[0]);
}

export const SWEEP_STATES = ['running', 'completed', 'failed', 'interrupted', 'killed', 'not begun'] as const;

const trial = s.namedStruct('summarized_trial', 'A trial.', {
  trial: trialNumber,
  state: s.choice(TRIAL_STATES, 'State of the trial.'),
  epochs: s.count('Trained up to the last measurement, the largest over its seeds.'),
  value: s.nullable(s.number('Mean of the objective over the seeds at the last measurement, if any.')),
  spread,
  point,
  runs: s.list(
    s.text('A run directory.'),
    'Absolute paths of its run directories, in the order of the seeds.',
  ),
});

const baseline = s.namedStruct(
  'trivial_baseline',
  'The best trivial baseline of a metric, over the same runs. Absent if no baseline has the metric. Of the objective: over the runs of the best completed trial.',
  { name: s.text('Such as majority.'), value: s.number('Its value, the mean over the seeds.') },
);

type TrivialBaseline = s.TypeOf<typeof baseline>;

const finalMetric = s.namedStruct('final_metric', 'A metric of the final weights.', {
  metric: s.text('Such as test.accuracy.'),
  mean: s.number('Mean over the seeds, or over the folds.'),
  spread,
  interval: s.nullable(
    s.struct(
      "95 % interval of the mean: BCa bootstrap with 10,000 resamples (Efron and Tibshirani, 1993), null for fewer than five seeds; of folds Student's t with the correction for overlapping training sets (Nadeau and Bengio, 2003). It ends where the range of the metric does.",
      { low: s.number('Lower end.'), high: s.number('Upper end.') },
    ),
  ),
  by_seed: s.optional(s.mapOf(s.number('A value.'), 'Value of each seed. Absent for folds.')),
  by_fold: s.optional(s.mapOf(s.number('A value.'), 'Value of each fold. Absent without folds.')),
  baseline: s.optional(baseline),
});

export type FinalMetric = s.TypeOf<typeof finalMetric>;

export const outOfFold = s.document(
  'Out-of-fold metrics',
  'out_of_fold.json of a cross-validation: metrics over all sequences together, each predicted by the run of the fold that it is in. Their predictions are in predictions.jsonl.',
  {
    version: s.literal(1, 'Version of this format.'),
    sequences: s.count('Number of sequences.'),
    metrics: s.list(
      s.struct('A metric of the test splits together.', {
        metric: s.text('Such as test.accuracy.'),
        value: s.number('Its value.'),
        interval: s.nullable(
          s.struct(
            '95 % interval by the percentiles of 1,000 bootstrap resamples of the sequences, or of the groups if the folds have whole groups; null for fewer than five, for many predictions, and for forecasts, whose windows overlap. It leaves out how much models differ with their training data.',
            { low: s.number('Lower end.'), high: s.number('Upper end.') },
          ),
        ),
      }),
      'The metrics of the test split, without the loss, each run with its own thresholds.',
    ),
    thresholds: s.optional(
      s.list(
        s.number({ min: 0, max: 1 }),
        'Probability from which the runs of all folds together predict the second class, or each label, chosen on these predictions. Absent without `threshold`.',
      ),
    ),
  },
);

export type OutOfFold = s.TypeOf<typeof outOfFold>;

const importanceShape = s.struct('A parameter.', {
  name: s.text('The parameter.'),
  importance: s.number({ description: 'Its fraction of the total importance.', min: 0, max: 1 }),
});

export const sweepSummary = s.document(
  'Sweep summary',
  'summary.json of a sweep: its results. Also the output of `sweep --json` and `sweep status --json`.',
  {
    version: s.literal(1, 'Version of this format.'),
    sweep_id: s.text("Name of the sweep's directory."),
    name: s.text('Name of the sweep.'),
    status: s.choice(
      SWEEP_STATES,
      'running: a process is working on it. failed: it ended because a failed trial stopped it, or no trial has a value of the objective. interrupted: stopped and can be resumed. killed: its process ended without recording it.',
    ),
    reason: s.nullable(endReason),
    directory: s.text("Absolute path of the sweep's directory."),
    objective,
    trials: s.count('Number of trials started.'),
    states: s.struct('Number of trials in each state.', trialStates),
    epochs_trained: s.count('Epochs trained, summed over all seeds.'),
    duration_s: s.nullable(s.amount('Seconds of work; null if the last process did not end normally.')),
    best: s.nullable(trial, { description: 'The winner, or the best so far; null if no trial has a value.' }),
    repeats: s.optional(
      s.list(
        s.text('A run directory.'),
        'Absolute paths of the runs of the best trial with the seeds of `repeat_best`, in their order. Absent without `repeat_best`, or without a best trial.',
      ),
    ),
    final: s.optional(
      s.text('Absolute path of the run on all data (`folds.final`). Absent until it is completed.'),
    ),
    metrics: s.optional(
      s.list(
        finalMetric,
        'Final metrics of the best trial over its seeds, or over those of `repeat_best`; those of the test split first, without metrics that are not finite for a seed. Absent until its runs with these seeds are completed.',
      ),
    ),
    better_earlier: s.nullable(trial, {
      description:
        'A better value that another trial had after fewer epochs (the best trial is chosen among those with the most epochs); null if there is none.',
    }),
    top: s.list(trial, { description: 'The five best trials with a value, best first.', maxItems: 5 }),
    importance: s.nullable(
      s.list(
        importanceShape,
        'Importance of each parameter; null if fewer than 20 trials, or 10 per parameter, have a value after the same number of epochs.',
      ),
    ),
    selected_on_test: s.optional(
      s.list(
        s.text('Such as `the best trial`.'),
        'What was selected by a metric of the test split, which makes its test values optimistic; each item is the subject of a sentence. Absent if nothing was.',
      ),
    ),
    baseline: s.optional(baseline),
  },
);

export type SweepSummary = s.TypeOf<typeof sweepSummary>;
export type SweepState = SweepSummary['status'];
