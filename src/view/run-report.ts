/** The report of one run, from its files. */

import { fillDefaults } from '../config/load.js';
import { isRecord, valueAt } from '../config/schema/schema.js';
import { basename, fs, join } from '../host/index.js';
import { askedGates } from '../judge/judging/run-facts.js';
import { readIndex } from '../run/checkpoints.js';
import { type Explanation, OUTPUT_NAMES } from '../run/explanation.js';
import { gateName, requiredWords, type WrittenGate } from '../run/gates.js';
import { finalName, type RunHistory } from '../run/history.js';
import { nonFiniteName } from '../run/json.js';
import { initialWeightsSentence, type Manifest } from '../run/manifest.js';
import { readNotes } from '../run/notes.js';
import { Run } from '../run/run.js';
import type { GateResult, SplitBaselines, Summary } from '../run/summary.js';
import { endingOf, failuresOf, selectionCautions, shortfallsOf } from '../run/words.js';
import { canonical, type Value } from '../sweep/search/space.js';
import type { RecordingPicture } from '../tasks/core/document.js';
import { type Hear, scoresOf, visible } from '../tasks/core/report.js';
import type { SplitEvaluation } from '../tasks/facts.js';
import { shownSequences, taskReport } from '../tasks/reports.js';
import type { Measured } from '../util/numbers.js';
import { counted } from '../util/words.js';

export type RunReport = ReturnType<typeof runReportOf>;

export interface Fact {
  readonly label: string;
  readonly value: string;
}

/** Text that a language model has generated, and how; see `predict --generate`. */
export interface Sample {
  readonly text: string;
  readonly length: number;
  readonly temperature: number;
  readonly seed: number;
}

/** The model in the page of a report. */
export interface LiveModel {
  /** Why it is not there; null if it is. */
  readonly left_out: string | null;
}

/** Pieces of a curve, of two points each: more than the pixels of an ordinary chart. */
const CAPACITY = 600;

/**
 * Where to hear the recording of sequence `index` of `split`: an address, or `data:` and its bytes.
 * Null if that is unknown.
 */
export type AudioOf = (run: Run, sequence: Recorded) => string | null;

export interface Recorded {
  readonly split: 'validation' | 'test';
  readonly index: number;
  readonly recording: RecordingPicture;
}

export function buildRunReport(path: string, audioOf?: AudioOf): RunReport {
  const run = Run.read(path);
  return runReportOf(run, run.history(CAPACITY), audioOf);
}

export function runReportOf(run: Run, history: RunHistory, audioOf: AudioOf = () => null) {
  const { manifest, config, directory } = run;
  const ended = endOf(run);
  return {
    kind: 'run' as const,
    version: 1 as const,
    ...runFacts(run, ended, () => history),
    message: ended?.message ?? null,
    description: typeof config.description === 'string' ? config.description : null,
    planned_epochs: isRecord(config.training) ? numberOrNull(config.training.num_epochs) : null,
    steps_per_epoch: stepsPerEpoch(history),
    skipped_batches: ended?.skipped_batches ?? 0,
    resumes: history.resumes,
    baselines: baselinesOf(ended?.baselines),
    best: ended?.best ?? null,
    ending: ended === undefined ? null : endingOf(ended),
    failures: ended === undefined ? [] : failuresOf(ended),
    cautions: ended === undefined ? [] : selectionCautions(ended),
    gates: ended?.gates.map(gateReport) ?? askedGates(run).map(undecided),
    // by name, see run/history.ts
    curves: history.curves,
    elapsed: history.elapsed,
    evaluation: run.evaluation === undefined ? null : evaluationOf(run, run.evaluation, audioOf),
    explanation: run.explanation === undefined ? null : explanationOf(run.explanation),
    // of a language model, which the verb `report` opens
    sample: null as Sample | null,
    // which the verb `report` embeds
    model: null as LiveModel | null,
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

/** The summary of a run that has ended; one that was resumed still has its old summary. */
export function endOf(run: Run): Summary | undefined {
  return run.state === 'running' ? undefined : run.summary;
}

/**
 * What reports and lists say about a run.
 * @param ended see `endOf`
 * @param historyOf called unless the run has ended
 */
export function runFacts(run: Run, ended: Summary | undefined, historyOf: () => RunHistory) {
  const { id, name, state, manifest, summary, directory } = run;
  const { tags, note } = readNotes(directory.path);
  const started = manifest?.started ?? null;
  const seed = summary?.seed ?? manifest?.seeds.experiment ?? numberOrNull(run.config.seed);
  const { metrics, ...progress } = ended
    ? { steps: ended.steps, epochs: ended.epochs, metrics: finalMetrics(ended.metrics) }
    : reached(historyOf());
  const shortfalls = ended ? shortfallsOf(ended) : [];
  return {
    ...{ id, name, state, shortfalls, started, seed, tags, note, ...progress },
    main: mainOf(metrics.map(metric => metric.name)),
    metrics: byName(metrics),
  };
}

function reached({ last, epochs, curves }: RunHistory) {
  const metrics = Object.entries(curves).flatMap(([curve, { values }]): Metric[] => {
    const name = finalName(curve);
    return name === undefined ? [] : [{ name, value: values.at(-1) ?? null }];
  });
  return { steps: last.step, epochs: epochs.at(-1)?.epoch ?? 0, metrics };
}

/**
 * The main metric of a run, such as `test.accuracy`: of the last measured split, the first one of
 * the config besides the loss.
 */
function mainOf(names: readonly string[]): string | null {
  const ofSplits = ['test', 'validation', 'train'].map(split =>
    names.filter(name => name.startsWith(`${split}.`)),
  );
  const measured = ofSplits.find(ofSplit => ofSplit.length > 0) ?? [];
  return measured.find(name => !name.endsWith('.loss')) ?? measured.at(0) ?? null;
}

function timingsOf({ duration_s, train_s, eval_s, ms_per_step, peak_rss_mb }: Summary) {
  return { duration_s, train_s, eval_s, ms_per_step, peak_rss_mb };
}

export interface Metric {
  readonly name: string;
  readonly value: Measured;
}

function finalMetrics(metrics: Summary['metrics']): readonly Metric[] {
  return Object.entries(metrics).flatMap(([split, values]) =>
    Object.entries(values ?? {}).map(([name, value]) => ({
      name: `${split}.${name}`,
      value: nonFiniteName(value) ?? value,
    })),
  );
}

/** So that equal runs have equal reports. */
function byName(metrics: readonly Metric[]): readonly Metric[] {
  return metrics.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function baselinesOf(baselines: Summary['baselines']) {
  const { validation = {}, test = {} } = baselines ?? {};
  return Object.keys(test).map(name => {
    const ofSplit = (split: SplitBaselines) => split[name as keyof SplitBaselines] ?? {};
    return {
      name,
      metrics: byName(finalMetrics({ train: {}, validation: ofSplit(validation), test: ofSplit(test) })),
    };
  });
}

export function gateReport(gate: GateResult) {
  const { value, verdict, reason = null, origin } = gate;
  return { name: gateName(gate), value, required: requiredWords(gate), verdict, reason, place: origin };
}

/** A gate that the run has not judged yet. */
function undecided(gate: WrittenGate) {
  return { ...gateReport({ ...gate, value: null, verdict: 'inconclusive' }), verdict: null };
}

/** Null if they differ; the last epoch of a run may be shorter. */
function stepsPerEpoch({ epochs }: RunHistory): number | null {
  const [first] = epochs;
  if (first === undefined) return null;
  const each = first.step / first.epoch;
  return epochs.slice(0, -1).every(({ epoch, step }) => step === epoch * each) ? each : null;
}

function checkpointsOf(folder: string) {
  const { metric = '', last, best, checkpoints = [] } = readIndex(folder) ?? {};
  return checkpoints.flatMap(({ file, metric: value, ...place }) => {
    const path = join(folder, file);
    if (!fs.existsSync(path)) return [];
    const bytes = fs.statSync(path).size;
    const is = { last: file === last, best: file === best };
    // the file is relative to the run directory
    return [{ file: `${basename(folder)}/${file}`, ...place, metric, value, ...is, bytes }];
  });
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

/** The sequence `index` of the latest evaluation, if its recording is known. */
export function recordedAt({ evaluation }: Run, index: number): Recorded | undefined {
  if (evaluation === undefined) return undefined;
  const recording = shownSequences(evaluation).find(shown => shown.index === index)?.recording;
  return recording && { split: evaluation.split, index, recording };
}

const COVERAGES = ['predictions', 'coverage', 'width'] as const;

function evaluationOf(run: Run, written: SplitEvaluation, audioOf: AudioOf) {
  const { split, step, epoch, predictions, example = null } = written;
  const { reliability = null, coverage = null } = { reliability: null, coverage: null, ...written };
  const groups = coverage?.map(({ group }) => group) ?? null;
  const hear: Hear = ({ index, recording }) =>
    recording ? { ...recording, audio: audioOf(run, { split, index, recording }) } : null;
  return {
    ...{ split, step, epoch, predictions, example, reliability },
    coverage: scoresOf('group', COVERAGES, coverage, groups),
    task: taskReport(written, hear),
  };
}

/** More features than this are a picture without names, in the order of the data. */
const MAX_NAMED = 12;

function explanationOf({ split, step, scores, features, parts, attributions }: Explanation) {
  const { of, agreement, groups, sequences, ...both } = attributions;
  const withContributions = <R extends { readonly name: string }>(
    rows: readonly R[],
    contributions: typeof both.parts,
  ) => rows.map(row => ({ ...row, ...contributions.find(contribution => contribution.name === row.name)! }));
  const isStatic = (name: string) => features.some(feature => feature.name === name && feature.is_static);
  const inSteps = groups.filter(name => !isStatic(name));
  const largest = both.features.flatMap(({ name }) => (isStatic(name) ? [] : [name]));
  const named = inSteps.length > MAX_NAMED ? [] : largest;
  return {
    place: `${split} split, step ${step}`,
    of: OUTPUT_NAMES[of],
    agreement,
    scores: scores.map(({ score }) => score),
    features: withContributions(features, both.features),
    parts: withContributions(parts, both.parts),
    sequences: sequences.map(
      ({
        index,
        id,
        predicted,
        output,
        reference,
        contributions,
        attention,
        states = [],
        symbols = null,
      }) => {
        const ofGroup = (name: string) => contributions[groups.indexOf(name)];
        const values = (named.length > 0 ? named : inSteps).flatMap(ofGroup);
        const most = Math.max(...values.map(Math.abs), Number.MIN_VALUE);
        const steps = values.length / inSteps.length;
        // of the same steps, unless the model reads several as one
        const attended = named.length > 0 && attention?.length === steps ? attention : [];
        const strongest = Math.max(...attended, Number.MIN_VALUE);
        const bytes = (fractions: readonly number[]) =>
          Buffer.from(fractions.map(value => Math.max(0, Math.round(255 * value)))).toString('base64');
        const ofContributions = (sign: number) => values.map(value => (sign * value) / most);
        const ofAttention = attended.map(weight => weight / strongest);
        const labels = attended.length > 0 ? [...named, 'attention'] : named;
        return {
          ...{ name: id ?? `#${index}`, predicted: visible(predicted), output, reference },
          ...{ labels, rows: Math.max(inSteps.length, labels.length), steps },
          ...{
            symbols: symbols?.map(visible) ?? null,
            speaksFor: bytes([...ofContributions(1), ...ofAttention]),
          },
          against: bytes([...ofContributions(-1), ...ofAttention.map(() => 0)]),
          statics: groups.filter(isStatic).map(name => ({ name, value: ofGroup(name)[0] })),
          states: states.map(({ layer, reverse, name, values }) => ({
            name: `${name} of layer ${layer}${reverse ? ', in reverse' : ''}`,
            values,
          })),
        };
      },
    ),
  };
}

function environmentOf(manifest: Manifest | undefined): readonly Fact[] {
  if (manifest === undefined) return [];
  const { backend, machine, versions, git, datasets, seeds, initial_weights } = manifest;
  const threads = backend.threads === null ? '' : `, ${counted(backend.threads, 'thread')}`;
  const edits = git?.dirty ? ', with uncommitted changes' : '';
  const digests = datasets.map(({ name, sha256 }) => `${name} (SHA-256 ${sha256.slice(0, 12)}…)`);
  return factsIn({
    Backend: `${backend.name}: ${backend.reason}`,
    Executor: `${backend.executor}${threads}`,
    Arithmetic: backend.arithmetic,
    Adapter: backend.adapter,
    Processor: `${machine.cpu}, ${machine.cores} cores, ${Math.round(machine.memory_mb / 1024)} GiB`,
    System: `${machine.platform} ${machine.arch}`,
    Versions: `cellrun ${versions.cellrun}, ${machine.platform === 'browser' ? versions.node : `Node ${versions.node}, gpu.js ${versions['gpu.js']}`}`,
    Source: git && `${git.revision.slice(0, 12)}${edits}`,
    Parameters: String(manifest.parameters),
    Data: digests.join(', '),
    'Initial weights': initial_weights ? initialWeightsSentence(initial_weights) : null,
    Seeds: Object.entries(seeds)
      .map(([name, seed]) => `${name} ${seed}`)
      .join(', '),
    'Config files': manifest.config_files.join(', '),
    'Config hash': manifest.config_hash,
    'Command line': ['cellrun', ...manifest.command_line].map(quoted).join(' '),
  });
}

/** The facts that are known, by label. */
export function factsIn(values: Readonly<Record<string, string | null>>): readonly Fact[] {
  return Object.entries(values).flatMap(([label, value]) => (value ? [{ label, value }] : []));
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

type Path = readonly string[];

/**
 * The values of a config in YAML's flow style.
 * @param commandLine of the run, which shows what was overridden
 */
function configValues(config: Readonly<Record<string, unknown>>, commandLine: readonly string[]) {
  const overridden = overriddenKeys(commandLine);
  return leavesOf(config, []).map(({ path, value }) => {
    const key = path.join('.');
    const usual = defaultAt(config, path);
    return {
      key,
      value: shown(value),
      default: usual === undefined ? null : shown(usual),
      differs: usual === undefined || canonical(usual as Value) !== canonical(value as Value),
      overridden: overridden.some(feature => key === feature || key.startsWith(`${feature}.`)),
    };
  });
}

export function configTexts(config: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(leavesOf(config, []).map(({ path, value }) => [path.join('.'), shown(value)]));
}

/** Lists, such as `betas` and `gates`, count as one value. */
function leavesOf(value: unknown, path: Path): readonly { readonly path: Path; readonly value: unknown }[] {
  if (!isRecord(value) || Object.keys(value).length === 0) return [{ path, value }];
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...path, key]));
}

function defaultAt(config: Readonly<Record<string, unknown>>, path: Path): unknown {
  const last = path[path.length - 1];
  // other defaults depend on kinds, which have none
  if (last === 'kind') return undefined;
  const others = structuredClone(config);
  Reflect.deleteProperty(valueAt(others, path.slice(0, -1)) as object, last);
  return valueAt(fillDefaults(others), path);
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
  if (Array.isArray(value))
    return `[${value.map(item => (isRecord(item) ? mapping(item) : shown(item))).join(', ')}]`;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function mapping(record: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(record).map(([key, value]) => `${key}: ${shown(value)}`);
  return `{ ${entries.join(', ')} }`;
}
