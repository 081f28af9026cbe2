/** The experiments of the results table, their records, and the table. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { summarizeSeeds } from '../../src/run/baseline.js';
import type { SplitBaselines, Summary } from '../../src/run/summary.js';
import { fromCommandLine } from '../../src/sweep/config/load.js';
import { formatNumber, percent } from '../../src/util/numbers.js';
import { packageRoot } from '../../src/util/root.js';
import { meanInterval } from '../../src/util/statistics.js';
import type { Latency } from './latency.js';

/** An entry of experiments/experiments.yaml, which says what each key means. */
export interface Experiment {
  readonly name: string;
  readonly title: string;
  /** In the README. */
  readonly brief?: string;
  readonly config: string;
  readonly set?: readonly string[];
  readonly metric: string;
  readonly percent?: boolean;
  /** Of the mean over the seeds; `pytorch`: at least what PyTorch's worst seed reaches. */
  readonly target: { readonly min?: number; readonly max?: number; readonly pytorch?: true };
  /** Folder that keeps the whole summaries. */
  readonly summaries?: string;
  /** Names of baselines that the table shows besides the best. */
  readonly baselines?: readonly string[];
  readonly rule?: string;
  readonly published?: string;
  readonly note?: string;
  /** Whether to forecast from successive origins of the test split as well. */
  readonly backtest?: true;
  /** Probability above which predictions are counted, and how many of them are right. */
  readonly confident?: number;
  /** Whether to tell what `explain` finds to matter. */
  readonly explain?: true;
  /** The largest lengths of ranges of target lengths, to show the accuracy of each. */
  readonly by_length?: readonly number[];
  /** One run, of the first seed, for each of these values of a key. */
  readonly folds?: { readonly of: string; readonly key: string; readonly values: readonly string[] };
  /** Table with the ends of spoken symbols, to show when a live session writes them. */
  readonly latency?: string;
  /** How to generate a sample of what a language model writes. */
  readonly sample?: {
    readonly prompt: string;
    readonly length: number;
    readonly temperature: number;
    readonly seed: number;
  };
}

export interface Outcome {
  readonly seed: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly steps: number;
  readonly parameters: number;
  readonly duration_s: number;
}

export interface Backtest {
  readonly origins: number;
  readonly model: number;
  readonly last_value: number;
  readonly seasonal_naive: number;
  /** With `intervals`: those of the model and of the seasonal naive forecast. */
  readonly bands?: readonly Band[];
}

interface Band {
  readonly coverage: number;
  readonly interval_width: number;
}

/** Predictions above a probability. */
export interface Confident {
  readonly predictions: number;
  /** Fraction of them. */
  readonly right: number;
}

/** Features, and parts of the sequence, told from chance, those that matter most first. */
export interface Explained {
  readonly features: readonly string[];
  readonly parts: readonly string[];
}

/** What a run has besides its summary. */
export interface Extras {
  readonly backtest?: Backtest;
  readonly confident?: Confident;
  readonly explained?: Explained;
  /** Sequence accuracy of targets of each range of `by_length`. */
  readonly by_length?: readonly number[];
  readonly latency?: Latency;
  readonly sample?: string;
  /** The value of the key of `folds`. */
  readonly fold?: string;
}

interface OwnOutcome extends Outcome {
  readonly config_hash: string;
  readonly backend: string | null;
  readonly backtest?: Backtest;
  readonly confident?: Confident;
  readonly explained?: Explained;
  readonly by_length?: readonly number[];
  readonly fold?: string;
  readonly latency?: Latency;
}

interface Results {
  readonly ours: readonly OwnOutcome[];
  /** Of the first seed; of the test split. */
  readonly baselines?: SplitBaselines;
  /** What the model of the first seed wrote. */
  readonly sample?: string;
  readonly pytorch: readonly (Outcome & Pick<Extras, 'fold'> & { readonly torch: string })[];
}

/** The JSON object that experiments/pytorch/train.py prints. */
export interface PyTorchRun extends Omit<Outcome, 'metrics'> {
  readonly torch: string;
  readonly metrics: { readonly test: Readonly<Record<string, number>> };
}

export const experiments: readonly Experiment[] = parse(
  readFileSync(join(packageRoot, 'experiments/experiments.yaml'), 'utf8'),
);

const folder = join(packageRoot, 'experiments/results');
const fileOf = (name: string): string => join(folder, `${name}.json`);

export function resultsOf(name: string): Results {
  if (!existsSync(fileOf(name))) return { ours: [], pytorch: [] };
  return JSON.parse(readFileSync(fileOf(name), 'utf8'));
}

/**
 * The config of a run of an experiment, as a trial, and its hash. That of a trial on disk depends
 * on where its sweep lies.
 * @param fold value of the key of `folds`
 */
export function configOf({ config, set = [], folds, name }: Experiment, seed: number, fold?: string) {
  const own = fold === undefined ? set : [...set, `${folds?.key}=${fold}`];
  // a sweep needs two seeds, which a row may lack
  const seeds = [...new Set([0, 1, ...resultsOf(name).ours.map(one => one.seed), seed])].join();
  return fromCommandLine([join(packageRoot, config)], [], { set: own, flags: { seeds } }).configAt({}, seed);
}

/** Adds what a run reached; it takes the place of an earlier one with its seed. */
export function recordRun(experiment: Experiment, summary: Summary, extras: Extras): void {
  const { name } = experiment;
  const { backtest, confident, explained, by_length, latency, sample, fold } = extras;
  const { seed, steps, parameters = 0, duration_s, backend, metrics, baselines } = summary;
  if (summary.status !== 'completed' || seed === undefined)
    throw new Error(`${summary.run_id} is not a completed run: ${summary.status}`);
  const results = resultsOf(name);
  const { test } = metrics;
  const { hash: config_hash } = configOf(experiment, seed, fold);
  const isFirst = results.ours.every(one => one.seed >= seed);
  write(name, {
    ...results,
    ours: withRun(results.ours, {
      ...(fold !== undefined && { fold }),
      ...{ seed, metrics: test, steps, parameters, duration_s, config_hash, backend },
      ...(backtest && { backtest }),
      ...(confident && { confident }),
      ...(explained && { explained }),
      ...(by_length && { by_length }),
      ...(latency && { latency }),
    }),
    ...(isFirst && baselines?.test && { baselines: baselines.test }),
    ...(isFirst && sample !== undefined && { sample }),
  });
}

export function recordPyTorch(name: string, run: PyTorchRun, fold?: string): void {
  const { seed, metrics, steps, parameters, duration_s, torch } = run;
  const results = resultsOf(name);
  const own = { seed, metrics: metrics.test, steps, parameters, duration_s, torch };
  const outcome = { ...(fold !== undefined && { fold }), ...own };
  write(name, { ...results, pytorch: withRun(results.pytorch, outcome) });
}

function withRun<T extends Outcome>(runs: readonly T[], run: T & Pick<Extras, 'fold'>): readonly T[] {
  const others = runs.filter(
    (one: T & Pick<Extras, 'fold'>) => one.seed !== run.seed || one.fold !== run.fold,
  );
  return [...others, run].sort((a, b) => a.seed - b.seed);
}

function write(name: string, results: Results): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(fileOf(name), `${JSON.stringify(results, null, 2)}\n`);
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Whether the mean over the seeds reaches the target; undefined if that was not run. */
export function reached({ name, metric, target }: Experiment): boolean | undefined {
  const { ours, pytorch } = resultsOf(name);
  if (ours.length === 0 || (target.pytorch && pytorch.length === 0)) return undefined;
  const mean = meanOf(ours.map(({ metrics }) => metrics[metric]));
  const lowest = target.pytorch ? Math.min(...pytorch.map(({ metrics }) => metrics[metric])) : mean;
  return mean >= Math.max(lowest, target.min ?? mean) && mean <= (target.max ?? mean);
}

export function table(): string {
  const rows = experiments.map(rowOf);
  const notes = experiments.flatMap(experiment => {
    const { note } = experiment;
    const told = [
      note,
      backtestOf(experiment),
      confidentOf(experiment),
      explainedOf(experiment),
      lengthsOf(experiment),
      foldsOf(experiment),
      latencies(experiment),
    ].flatMap(text => text ?? []);
    return told.length === 0 ? [] : [`- ${experiment.title}: ${told.join('. ')}.`];
  });
  return `# Results

Written by \`npm run reproduce -- --table\` from [experiments.yaml](experiments.yaml) and the records in [results](results). Values are of the test split,
after the last step or the best epoch by the validation split: mean ± standard deviation (lowest to highest) of ${SEEDS} seeds if no other number is named; a 95 % interval of the mean
needs five seeds. Nothing was selected by a
test split, unless a note says so. Not run: the row waits for machine time; its target is open. PyTorch trains the same config with its own random numbers ([pytorch/train.py](pytorch/train.py)). Trivial is the best baseline that needs no model;
rules are those of [pytorch/rules.py](pytorch/rules.py). \`npm run reproduce -- NAME\` repeats a row, \`--pytorch\` its PyTorch column as well. \`dataset.obtain\` of
a config says how to get its data; [configs/data](../configs/data/README.md) lists sources and licences.

| name | experiment | ours | PyTorch | trivial | published | target |
| --- | --- | --- | --- | --- | --- | --- |
${rows.map(cells => `| ${cells.join(' | ')} |`).join('\n')}
${notes.length === 0 ? '' : `\n${notes.join('\n')}\n`}${experiments.map(sampleOf).join('')}`;
}

function backtestOf(experiment: Experiment): string | undefined {
  const all = resultsOf(experiment.name).ours.flatMap(({ backtest }) => backtest ?? []);
  if (all.length === 0) return undefined;
  const show = (value: number): string => shown(value, experiment);
  const [{ origins, last_value, seasonal_naive, bands }] = all;
  if (bands) {
    const each = all.flatMap(one => one.bands?.[0] ?? []);
    const list = (band: Band) => `${show(band.coverage)}, ${formatNumber(band.interval_width)} wide`;
    return `Backtest from ${origins} origins, by seed: ${each.map(list).join('; ')}; seasonal naive forecast with such intervals: ${list(bands[1])}`;
  }
  const models = all.map(({ model }) => show(model)).join(', ');
  return `Backtest from ${origins} origins, by seed: ${models}; last value ${show(last_value)}, seasonal naive ${show(seasonal_naive)}`;
}

function confidentOf({ name, confident }: Experiment): string | undefined {
  const all = resultsOf(name).ours.flatMap(one => one.confident ?? []);
  if (confident === undefined || all.length === 0) return undefined;
  const list = (of: (one: Confident) => string) => all.map(of).join(', ');
  return `Of the predictions with a probability above ${confident}, by seed, ${list(({ right }) => percent(right, 1))} are right (${list(({ predictions }) => `${predictions}`)} predictions)`;
}

function explainedOf({ name }: Experiment): string | undefined {
  const all = resultsOf(name).ours.flatMap(({ explained }) => explained ?? []);
  if (all.length === 0) return undefined;
  const each = all.map(({ features, parts }) => `${features.join(', ')}, in ${parts.join(', ')}`);
  return `What \`explain\` tells from chance, most important first, by seed: ${each.join('; ')}`;
}

function lengthsOf(experiment: Experiment): string | undefined {
  const all = resultsOf(experiment.name).ours.flatMap(({ by_length }) => (by_length ? [by_length] : []));
  if (all.length === 0) return undefined;
  const ranges = (experiment.by_length ?? []).map((to, i, ends) => {
    const from = i === 0 ? undefined : ends[i - 1] + 1;
    const range = from === undefined ? `up to ${to}` : from === to ? `${to}` : `${from} to ${to}`;
    return `${range} ${shown(meanOf(all.map(accuracies => accuracies[i])), experiment)}`;
  });
  return `By length of the target: ${ranges.join(', ')}`;
}

function foldsOf(experiment: Experiment): string | undefined {
  const { ours } = resultsOf(experiment.name);
  const { folds, metric } = experiment;
  if (folds === undefined || ours.length === 0) return undefined;
  const all = folds.values.flatMap(value => {
    const found = ours.find(({ fold }) => fold === value);
    return found ? [`${value} ${shown(found.metrics[metric], experiment)}`] : [];
  });
  return `By ${folds.of}: ${all.join(', ')}`;
}

function latencies({ name }: Experiment): string | undefined {
  const all = resultsOf(name).ours.flatMap(({ latency }) => latency ?? []);
  if (all.length === 0) return undefined;
  const list = (of: keyof Latency): string => all.map(latency => latency[of].toFixed(1)).join(', ');
  return `Frames from the end of a digit until it is written, by seed: median ${list('median')}; 95 % within ${list('most')}, all within ${list('all')}`;
}

function sampleOf({ name, title, sample }: Experiment): string {
  const { sample: text } = resultsOf(name);
  if (sample === undefined || text === undefined) return '';
  const { prompt, length, temperature, seed } = sample;
  return `
## A sample: ${title}

\`./run predict RUN --generate --prompt "${prompt}" --length ${length} --temperature ${temperature} --seed ${seed}\` of the first seed:

\`\`\`text
${text.trimEnd()}
\`\`\`
`;
}

/** The README's rows: task, ours, PyTorch, and the rule or best trivial baseline. */
export function briefRows(): readonly (readonly string[])[] {
  return experiments.flatMap(experiment => {
    const { name, brief, config, metric } = experiment;
    if (brief === undefined) return [];
    const { ours, pytorch, baselines } = resultsOf(name);
    const show = (value: number): string => shown(value, experiment);
    const mean = (runs: readonly Outcome[]): string =>
      runs.length === 0 ? 'not run' : show(meanOf(runs.map(({ metrics }) => metrics[metric])));
    return [
      [
        `[${brief}](${config})`,
        mean(ours),
        mean(pytorch),
        trivial(experiment, baselines, show).at(experiment.rule === undefined ? 0 : -1) ?? '–',
      ],
    ];
  });
}

const SEEDS = 3;

function rowOf(experiment: Experiment): string[] {
  const { name, title, config, metric, published, target } = experiment;
  const { ours, pytorch, baselines } = resultsOf(name);
  const show = (value: number): string => shown(value, experiment);
  const verdict = { true: 'reached', false: 'missed', undefined: 'open' }[`${reached(experiment)}`];
  const wanted = [
    ...(target.min === undefined ? [] : [`at least ${show(target.min)}`]),
    ...(target.max === undefined ? [] : [`at most ${show(target.max)}`]),
    ...(target.pytorch ? ['not below PyTorch’s range'] : []),
  ].join(', ');
  return [
    `\`${name}\``,
    `[${title}](../${config})`,
    spread(ours, metric, show),
    spread(pytorch, metric, show),
    trivial(experiment, baselines, show).join(', ') || '–',
    published ?? '–',
    `${wanted}: ${verdict}`,
  ];
}

function shown(value: number, { percent = false }: Experiment): string {
  if (percent) return `${(100 * value).toFixed(2)} %`;
  return value < 0.1 ? value.toFixed(4) : value.toFixed(3);
}

function spread(
  runs: readonly (Outcome & Pick<Extras, 'fold'>)[],
  metric: string,
  show: (value: number) => string,
): string {
  const values = runs.map(({ metrics }) => metrics[metric]);
  if (values.length === 0) return 'not run';
  const { mean, spread } = summarizeSeeds(
    Object.fromEntries(runs.map(({ seed, fold }, i) => [fold ?? seed, values[i]])),
  );
  if (spread === null) return `${show(mean)}, one seed`;
  const interval = meanInterval(values);
  return [
    `${show(mean)} ± ${show(spread)} (${show(Math.min(...values))} to ${show(Math.max(...values))})`,
    ...(values.length === SEEDS ? [] : [`${values.length} ${runs[0].fold === undefined ? 'seeds' : 'runs'}`]),
    ...(interval === null ? [] : [`95 % interval ${show(interval.low)} to ${show(interval.high)}`]),
  ].join(', ');
}

/** The best trivial baseline, others that the row names, and its rule. */
function trivial(
  { name, metric, target, baselines: named = [], rule }: Experiment,
  baselines: SplitBaselines | undefined,
  show: (value: number) => string,
): readonly string[] {
  const found = Object.entries(baselines ?? {}).flatMap(([baseline, { [metric]: value }]) =>
    value === undefined ? [] : [[baseline, value] as const],
  );
  const isHigherBetter = target.max === undefined && metric !== 'loss';
  found.sort(([, a], [, b]) => (isHigherBetter ? b - a : a - b));
  const best = found.filter(([baseline], i) => i === 0 || named.includes(baseline));
  if (rule !== undefined) best.push([rule, rules()[name][rule]]);
  return best.map(([what, value]) => `${show(value)} (${what.replaceAll('_', ' ')})`);
}

function rules(): Readonly<Record<string, Readonly<Record<string, number>>>> {
  return JSON.parse(readFileSync(fileOf('rules'), 'utf8'));
}
