import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fillDefaults } from '../config/defaults.js';
import { isRecord } from '../config/schema/walk.js';
import { askedGates } from '../judge/judging/run-facts.js';
import { readIndex } from '../run/checkpoint-files.js';
import type {
  ClassEvaluation,
  LabelEvaluation,
  SplitEvaluation,
  ValueEvaluation,
} from '../run/evaluation.js';
import { type Curves, finalName, type RunHistory } from '../run/history.js';
import { nonFiniteName, readJson } from '../run/json.js';
import type { Manifest } from '../run/manifest.js';
import { Run, type RunRecord } from '../run/run.js';
import type { GateResult, SplitBaselines } from '../run/summary.js';
import { cautionsOf, endingOf, gateName, requiredWords } from '../run/words.js';
import { canonical, type Value } from '../sweep/search/space.js';
import { counted } from '../util/words.js';
import type {
  BaselineReport,
  CheckpointReport,
  ClassesReport,
  ConfigValue,
  EvaluationReport,
  Fact,
  GateReport,
  Measured,
  Metric,
  RunReport,
  ScoresReport,
  ValuesReport,
} from './document.js';

/** Pieces of a curve, of two points each: more than the pixels of an ordinary chart. */
const CAPACITY = 600;

export function buildRunReport(path: string, { capacity = CAPACITY } = {}): RunReport {
  const run = Run.read(path);
  return runReportOf(run, run.history(capacity));
}

export function runReportOf(record: RunRecord, history: RunHistory): RunReport {
  const { summary, manifest, config, directory } = record;
  // a resumed run still has its old summary
  const ended = record.state === 'running' ? undefined : summary;
  const { tags, note } = directory.notes.read();
  return {
    kind: 'run',
    version: 1,
    id: record.id,
    name: record.name,
    description: textOr(config.description, null),
    state: record.state,
    message: ended?.message ?? null,
    started: manifest?.started ?? null,
    seed: summary?.seed ?? numberOr(config.seed, null),
    tags,
    note,
    steps: ended?.steps ?? history.last.step,
    epochs: ended?.epochs ?? history.epochs.at(-1)?.epoch ?? 0,
    planned_epochs: isRecord(config.training) ? numberOr(config.training.num_epochs, null) : null,
    steps_per_epoch: stepsPerEpoch(history),
    skipped_batches: ended?.skipped_batches ?? 0,
    resumes: history.resumes,
    metrics: ended === undefined ? newestOf(history.curves) : finalMetrics(ended.metrics),
    baselines: baselinesOf(ended?.baselines),
    best: ended?.best ?? null,
    ending: ended === undefined ? null : endingOf(ended),
    cautions: ended === undefined ? [] : cautionsOf(ended),
    gates: gatesOf(record),
    curves: history.curves,
    elapsed: history.elapsed,
    evaluation: readEvaluation(directory.files.evaluation),
    config: configValues(config, manifest?.command_line ?? []),
    environment: environmentOf(manifest),
    timings: ended === undefined ? null : timingsOf(ended),
    changes: (manifest?.changes ?? []).map(({ step, key, from, to }) => ({
      step,
      key,
      from: JSON.stringify(from),
      to: JSON.stringify(to),
    })),
    warnings: history.warnings,
    damaged: history.damaged,
    checkpoints: checkpointsOf(directory.files.checkpoints),
  };
}

type Summary = NonNullable<RunRecord['summary']>;

function timingsOf({ duration_s, train_s, eval_s, ms_per_step, peak_rss_mb }: Summary): RunReport['timings'] {
  return { duration_s, train_s, eval_s, ms_per_step, peak_rss_mb };
}

/** Sorted by name, so that equal runs have equal reports. */
export function finalMetrics(metrics: Summary['metrics']): readonly Metric[] {
  const named = (['test', 'validation', 'train'] as const).flatMap(split =>
    Object.entries(metrics[split] ?? {}).map(([name, value]) => ({
      name: `${split}.${name}`,
      value: measured(value),
    })),
  );
  return named.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function baselinesOf(baselines: Summary['baselines']): readonly BaselineReport[] {
  const { validation = {}, test = {} } = baselines ?? {};
  return Object.keys(test).map(name => {
    const of = (split: SplitBaselines) => split[name as keyof SplitBaselines] ?? {};
    return { name, metrics: finalMetrics({ train: {}, validation: of(validation), test: of(test) }) };
  });
}

export function newestOf(curves: Curves): readonly Metric[] {
  const metrics = Object.entries(curves).flatMap(([curve, { values }]): Metric[] => {
    const name = finalName(curve);
    return name === undefined ? [] : [{ name, value: values.at(-1) ?? null }];
  });
  return metrics.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function measured(value: number): Measured {
  return nonFiniteName(value) ?? value;
}

/** The gates as the run judged them; before that, as the config requests them. */
function gatesOf(record: RunRecord): readonly GateReport[] {
  const { summary, state } = record;
  if (summary !== undefined && state !== 'running') return summary.gates.map(judgedGate);
  return askedGates(record).map(gate => {
    const told = judgedGate({ ...gate, value: null, verdict: 'inconclusive' });
    return { ...told, verdict: null, reason: null };
  });
}

function judgedGate(gate: GateResult): GateReport {
  const { value, verdict, reason = null, origin } = gate;
  return { name: gateName(gate), value, required: requiredWords(gate), verdict, reason, place: origin };
}

/** Null if they differ; the last epoch of a run may be shorter. */
function stepsPerEpoch({ epochs }: RunHistory): number | null {
  const [first] = epochs;
  if (first === undefined) return null;
  const each = first.step / first.epoch;
  return epochs.slice(0, -1).every(({ epoch, step }) => step === epoch * each) ? each : null;
}

function checkpointsOf(folder: string): readonly CheckpointReport[] {
  const { metric = '', last, best, checkpoints = [] } = readIndex(folder) ?? {};
  return checkpoints.flatMap(({ file, metric: value, ...place }) => {
    const path = join(folder, file);
    if (!existsSync(path)) return [];
    const bytes = statSync(path).size;
    const is = { last: file === last, best: file === best };
    return [{ file: `${basename(folder)}/${file}`, ...place, metric, value, ...is, bytes }];
  });
}

function textOr<T>(value: unknown, otherwise: T): string | T {
  return typeof value === 'string' ? value : otherwise;
}

function numberOr<T>(value: unknown, otherwise: T): number | T {
  return typeof value === 'number' ? value : otherwise;
}

export function readEvaluation(path: string): EvaluationReport | null {
  const written = readJson<SplitEvaluation>(path, 'evaluation');
  if (written === undefined) return null;
  const { split, step, epoch, predictions } = written;
  const nothing = { classes: null, values: null, scores: null };
  const details = DETAILS[written.kind] as (written: SplitEvaluation) => Details;
  return { split, step, epoch, predictions, ...nothing, ...details(written) };
}

type Details = Partial<Pick<EvaluationReport, 'classes' | 'values' | 'scores'>>;

/** By the kind of the targets; the type requires all kinds. */
const DETAILS: {
  readonly [K in SplitEvaluation['kind']]: (written: Extract<SplitEvaluation, { kind: K }>) => Details;
} = {
  class: written => ({
    classes: classesOf(written),
    scores: scoresOf('class', CLASS_SCORES, written.per_class, namesOf(written)),
  }),
  value: written => ({
    values: valuesOf(written, pairsOf(written.sample)),
    scores: scoresOf('target', OUTPUT_SCORES, written.per_output, written.target_names),
  }),
  label: written => ({
    values: valuesOf(written, []),
    scores: scoresOf('label', CLASS_SCORES, written.per_label, written.target_names),
  }),
};

const CLASS_SCORES = ['precision', 'recall', 'f1', 'support'] as const;
const OUTPUT_SCORES = ['mean_absolute_error', 'rmse', 'r2'] as const;

function valuesOf(
  { target_names: names, worst }: ValueEvaluation | LabelEvaluation,
  pairs: ValuesReport['pairs'],
): ValuesReport {
  return { names, pairs, worst: worstOf(worst) };
}

/** @param names of the rows; their numbers if absent */
function scoresOf<C extends string>(
  of: ScoresReport['of'],
  columns: readonly C[],
  rows: readonly { readonly [K in C]?: number }[] | null | undefined,
  names?: readonly string[] | null,
): ScoresReport | null {
  if (!rows) return null;
  return {
    of,
    columns,
    rows: rows.map((row, i) => ({
      name: names?.[i] ?? String(i),
      values: columns.map(column => row[column] ?? Reflect.get(row, `${column}_nonfinite`) ?? null),
    })),
  };
}

function namesOf({ class_names: names, classes }: ClassEvaluation): readonly string[] {
  return names ?? Array.from({ length: classes }, (_, i) => String(i));
}

function classesOf(written: ClassEvaluation): ClassesReport {
  const { confusion, undecided, mistakes, images } = written;
  return {
    names: namesOf(written),
    confusion,
    undecided,
    mistakes: mistakes.map(({ id = null, step_in_sequence = null, image = null, loss: _, ...rest }) => ({
      ...rest,
      id,
      step_in_sequence,
      image,
    })),
    images: images && { width: images.width, height: images.height },
  };
}

/** By target, without values that are not finite, which are spelled out. */
function pairsOf(sample: ValueEvaluation['sample']): ValuesReport['pairs'] {
  const numbers = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);
  const targets = Math.max(0, ...sample.map(({ target }) => numbers(target).length));
  return Array.from({ length: targets }, (_, k) =>
    sample.flatMap(({ target, prediction }): (readonly [number, number])[] => {
      const [y, z] = [numbers(target)[k], numbers(prediction)[k]];
      return typeof y === 'number' && typeof z === 'number' ? [[y, z]] : [];
    }),
  );
}

function worstOf(worst: ValueEvaluation['worst']): ValuesReport['worst'] {
  return worst.map(one => ({
    index: one.index,
    id: one.id ?? null,
    target: one.target,
    prediction: one.prediction,
    absolute_error: one.absolute_error ?? Reflect.get(one, 'absolute_error_nonfinite'),
  }));
}

export function environmentOf(manifest: Manifest | undefined): readonly Fact[] {
  if (manifest === undefined) return [];
  const { backend, machine, versions, git, datasets, seeds } = manifest;
  const facts: readonly (readonly [label: string, value: string | null])[] = [
    ['Backend', `${backend.name}: ${backend.reason}`],
    [
      'Executor',
      [backend.executor, backend.threads === null ? '' : threads(backend.threads)].filter(Boolean).join(', '),
    ],
    ['Arithmetic', backend.arithmetic],
    ['Adapter', backend.adapter],
    ['Processor', `${machine.cpu}, ${machine.cores} cores, ${Math.round(machine.memory_mb / 1024)} GiB`],
    ['System', `${machine.platform} ${machine.arch}`],
    ['Versions', `cellrun ${versions.cellrun}, Node ${versions.node}, gpu.js ${versions['gpu.js']}`],
    [
      'Source',
      git === null ? null : `${git.revision.slice(0, 12)}${git.dirty ? ', with uncommitted changes' : ''}`,
    ],
    ['Parameters', String(manifest.parameters)],
    ['Data', datasets.map(({ name, sha256 }) => `${name} (SHA-256 ${sha256.slice(0, 12)}…)`).join(', ')],
    [
      'Seeds',
      Object.entries(seeds)
        .map(([name, seed]) => `${name} ${seed}`)
        .join(', '),
    ],
    ['Config files', manifest.config_files.join(', ')],
    ['Config hash', manifest.config_hash],
    ['Command line', ['cellrun', ...manifest.command_line].map(quoted).join(' ')],
  ];
  return facts.flatMap(([label, value]) => (value === null || value === '' ? [] : [{ label, value }]));
}

function threads(count: number): string {
  return counted(count, 'thread');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

type Path = readonly string[];

/** @param commandLine of the run, which shows what was overridden */
export function configValues(
  config: Readonly<Record<string, unknown>>,
  commandLine: readonly string[],
): readonly ConfigValue[] {
  const overridden = overriddenKeys(commandLine);
  return leavesOf(config, []).map(({ path, value }) => {
    const key = path.join('.');
    const usual = defaultAt(config, path);
    return {
      key,
      value: shown(value),
      default: usual === undefined ? null : shown(usual),
      differs: usual === undefined || canonical(usual as Value) !== canonical(value as Value),
      overridden: overridden.some(one => key === one || key.startsWith(`${one}.`)),
    };
  });
}

export function configTexts(config: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(leavesOf(config, []).map(({ path, value }) => [path.join('.'), shown(value)]));
}

interface Leaf {
  readonly path: Path;
  readonly value: unknown;
}

/** Lists, such as `betas` and `gates`, count as one value. */
function leavesOf(value: unknown, path: Path): readonly Leaf[] {
  if (!isRecord(value) || Object.keys(value).length === 0) return [{ path, value }];
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...path, key]));
}

function defaultAt(config: Readonly<Record<string, unknown>>, path: Path): unknown {
  // other defaults depend on kinds, which have none
  if (path.at(-1) === 'kind') return undefined;
  let filled: unknown = fillDefaults(without(config, path));
  for (const step of path) filled = isRecord(filled) ? filled[step] : undefined;
  return filled;
}

function without(config: Readonly<Record<string, unknown>>, [first, ...rest]: Path): Record<string, unknown> {
  const { [first]: inner, ...others } = config;
  if (rest.length === 0 || !isRecord(inner)) return others;
  // in place, since keys are shown in order
  return { ...config, [first]: without(inner, rest) };
}

/** The keys of `--set key=value` and `--set=key=value`. */
function overriddenKeys(commandLine: readonly string[]): readonly string[] {
  const assignments = commandLine
    .map(word => word.replace(/^--set=/, ''))
    .filter(word => /^[A-Za-z_][\w.[\]-]*=/.test(word));
  return assignments.map(text => text.split('=', 1)[0].replaceAll(/\[(\d+)\]/g, '.$1'));
}

/** Plain strings without quotes, everything else as JSON, which is YAML. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return JSON.stringify(value);
  return value.length === 0
    ? '[]'
    : `[${value.map(item => (isRecord(item) ? mapping(item) : shown(item))).join(', ')}]`;
}

function mapping(record: Readonly<Record<string, unknown>>): string {
  return `{ ${Object.entries(record)
    .map(([key, value]) => `${key}: ${shown(value)}`)
    .join(', ')} }`;
}
