/**
 * Opens a saved model for computation: one of a run's checkpoints, with or without its data; and
 * evaluates it on them.
 */

import { configDifferences } from '../config/explain.js';
import { type Experiment, type LoadedExperiment, measuredMetrics } from '../config/index.js';
import { countsKnown } from '../config/overlap-check.js';
import { MAX_BEAM } from '../config/schema/experiment.js';
import { pathsIn } from '../config/schema/schema.js';
import { stepReaders } from '../data/core/feature-columns.js';
import {
  type DataRecord,
  type Dataset,
  digestOf,
  IGNORED,
  type InputSource,
  inputWidth,
  isRejected,
  JoinedDoubts,
  type NewSequence,
  type NewSequencesOptions,
  newSequences,
  readersOf,
  recordedStarts,
  type SequenceReader,
  type Split,
  type SplitName,
  startOf,
  type TargetsToRead,
  UNKNOWN,
  UNKNOWN_TARGET,
} from '../data/index.js';
import { chooseBackend, usableCores } from '../engine/backend.js';
import type { BackendRequest } from '../engine/backend-names.js';
import { windowsToAdapt } from '../math/confidence/adaptive.js';
import { isImpossible } from '../math/losses/ctc.js';
import { type LossSettings, lossFor, lossOf, targetSize, taskOf } from '../math/losses/index.js';
import { predictsEachStep } from '../math/model/heads.js';
import { stepsRead } from '../math/model/spec.js';
import { Run } from '../run/run.js';
import type { SplitBaselines } from '../run/summary.js';
import type { PredictedSequence } from '../tasks/core/prediction.js';
import { type BaselineScores, fitBaselines, trivialBaselines } from '../tasks/index.js';
import { checkSameData, dataRecord, fittedBy } from '../train/changes.js';
import {
  type Evaluation,
  type EvaluationProgress,
  Evaluator,
  evaluationRows,
  groupsOf,
} from '../train/evaluator.js';
import { ShardPool } from '../train/pool.js';
import {
  type BackendOptions,
  decodeSettings,
  modelSpec,
  openSession,
  streamsOf,
  widthOn,
} from '../train/session.js';
import type { ModelRun } from '../train/shards.js';
import {
  dividedLogits,
  loadWeights,
  type WhichWeights,
  weightsAlone,
  weightsOfRun,
  withWeights,
} from '../train/weights.js';
import { type Diagnostic, damagedError, UserError, usageError, usageErrors } from '../util/errors.js';
import { percent } from '../util/numbers.js';
import { counted } from '../util/words.js';
import { predictionForm } from './predictions.js';
import { type OpenedModel, Predictor } from './predictor.js';
import type { RejectionOptions } from './steps.js';

export interface OpenModelOptions extends WhichWeights {
  /** `key.path=value`: the current location of the run's data, or how to decode. */
  readonly set?: readonly string[];
  /** The best classes, or sequences of symbols, to list in each prediction. */
  readonly top?: number | undefined;
}

export type SavedModel = ReturnType<typeof openModel>;

/**
 * Reads a checkpoint of a run. The run may have no manifest if it was killed early; one in training
 * may have removed the file.
 * @param path the run directory, as given by the user
 */
export function openModel(path: string, { checkpoint, weights, set = [], top }: OpenModelOptions = {}) {
  const run = Run.open(path);
  const { manifest } = run;
  const frozen = run.experiment();
  const loaded = set.length === 0 ? frozen : run.experiment(set);
  refuseOtherKeys(frozen, loaded, set);
  const saved = weightsOfRun(run, loaded.experiment, { checkpoint, weights });
  const listing = top === undefined ? loaded : { ...loaded, experiment: withTop(loaded.experiment, top) };
  return { ...withConfidence(saved, run), path, loaded: listing, manifest, top };
}

type SavedWeights = ReturnType<typeof weightsOfRun>;

/** The final weights of a run with what it fitted for them; others as they are. */
function withConfidence(saved: SavedWeights, { confidence }: Run) {
  if (confidence?.step !== saved.step || saved.weights !== saved.final)
    return { ...saved, decisions: undefined };
  const { temperatures, ...decisions } = confidence;
  if (temperatures === undefined) return { ...saved, decisions };
  const own = dividedLogits(weightsAlone(saved.tensors, saved.weights), temperatures);
  return { ...saved, tensors: withWeights(saved.tensors, saved.weights, own), decisions };
}

/** With a beam that finds `top` sequences of symbols. */
function withTop(experiment: Experiment, top: number): Experiment {
  const task = taskOf(lossFor(experiment.loss, experiment.model));
  const refused = (message: string, more?: object) =>
    usageError('predict/top', message, { file: '--top', ...more });
  if (task === 'classes') return experiment;
  if (task !== 'sequences') throw refused('this model predicts values, not classes');
  if (top > MAX_BEAM) {
    const more = { expected: `at most ${MAX_BEAM}`, got: String(top) };
    throw refused('the number of sequences is too large', more);
  }
  const { beam = 1, ...decode } = experiment.decode ?? {};
  return { ...experiment, decode: { ...decode, beam: Math.max(beam, top) } };
}

/** Keys that say how data are stored, how many are read, or how outputs are decoded. */
const FREE: readonly string[] = [
  'dataset.delimiter',
  'dataset.decimal',
  'dataset.date_format',
  'dataset.memory',
  'dataset.stride',
  'decode',
  'decode.beam',
  'decode.limit',
];

/** Other columns or another scaling would yield wrong predictions. */
function refuseOtherKeys(before: LoadedExperiment, after: LoadedExperiment, set: readonly string[]): void {
  const places = [before, after].flatMap(({ experiment: { dataset } }) =>
    pathsIn({ dataset }).map(([, at]) => at.join('.')),
  );
  const isPlace = (key: string): boolean =>
    // a list of paths differs as a whole
    places.some(place => place === key || place.startsWith(`${key}.`));
  const others = configDifferences(before, after).filter(({ key }) => !FREE.includes(key) && !isPlace(key));
  const problems = others.map(({ key, b }) => ({
    code: 'cli/set',
    message: `only the location of the data and \`decode\` can change for a finished run, not \`${key}\``,
    file: '--set',
    expected: 'a path in `dataset`, such as dataset.path=FILE, or decode.beam=8',
    got: set.find(assignment => assignment.trim().startsWith(`${key}=`)) ?? JSON.stringify(b?.value ?? null),
  }));
  if (problems.length > 0) throw usageErrors(problems);
}

export async function openWithData(
  saved: SavedModel,
  options: BackendOptions,
): Promise<OpenedModel & { readonly dataset: Dataset }> {
  const { loaded, manifest } = saved;
  const backend = await requestFor(saved, options);
  const session = await openSession(loaded, { ...options, backend, ...fittedBy(manifest) });
  const { dataset, run } = session;
  if (manifest) checkSameData(dataset, manifest);
  const model = await start(saved, run, { data: dataRecord(session), scaling: dataset.scaling });
  return { ...model, dataset };
}

/** `auto` is the GPU if the run was trained on one and this machine has one. */
async function requestFor({ manifest }: SavedModel, { backend }: BackendOptions): Promise<BackendRequest> {
  if (backend !== 'auto' || manifest?.backend.name !== 'webgpu') return backend;
  return (await chooseBackend('auto')).isOpen ? 'webgpu' : backend;
}

/** Opens the model without the data of its run. Its loss is that of training if it `hasTargets`. */
export async function openWithoutData(
  saved: SavedModel,
  options: BackendOptions,
  hasTargets = false,
): Promise<OpenedModel> {
  const { loaded, manifest } = saved;
  if (manifest === undefined) {
    throw damagedError('run/no-data-record', 'this run cannot read new sequences: manifest.json is missing', {
      file: saved.path,
      expected:
        'a run with its manifest.json; `predict --split` and `evaluate` read the dataset and still work',
    });
  }
  const { data, scaling } = manifest;
  const { backend } = await chooseBackend(await requestFor(saved, options));
  const { input, sequence_length: sequenceLength, output_size: outputSize } = data;
  const { experiment } = loaded;
  const spec = modelSpec(loaded, { input, sequenceLength, outputSize });
  const run: ModelRun = {
    backend,
    threads: options.threads ?? usableCores(),
    width: widthOn(backend, options.width),
    // the texts of a program are separate, not parts of one stream; see `readerFor`
    spec: { ...spec, carriesState: spec.carriesState && experiment.dataset.kind !== 'text' },
    loss: lossFor(hasTargets ? recordedLoss(saved, data) : lossOfPredictions(experiment.loss), spec),
    decode: decodeSettings(experiment, data.target_length),
    metrics: hasTargets ? measuredMetrics(experiment) : [],
    seed: experiment.seed,
    sequenceLength,
    targetLength: data.target_length,
    variableLength: data.variable_length,
  };
  return start(saved, run, { data, scaling });
}

/** Class weights may depend on the training data, and predictions do not need them. */
function lossOfPredictions(loss: Experiment['loss']): LossSettings {
  return loss.kind === 'cross_entropy' ? { kind: loss.kind } : loss;
}

/** The loss of training, with its class weights as the run recorded them. */
function recordedLoss({ path, loaded }: SavedModel, { class_weights }: DataRecord): LossSettings {
  const { loss } = loaded.experiment;
  if (loss.kind !== 'cross_entropy') return loss;
  const { kind, label_smoothing, class_weights: given } = loss;
  if (given !== 'balanced') return { kind, label_smoothing, class_weights: given };
  if (class_weights) return { kind, label_smoothing, class_weights };
  throw damagedError(
    'run/no-class-weights',
    'the version of cellrun that trained this run did not record its class weights, which the loss needs',
    { file: path, expected: 'a run of this version, or of a loss without `class_weights: balanced`' },
  );
}

/**
 * Returns the reader of an input for the model, and the model with carried states if the input is
 * one stream.
 */
export function readerFor(
  model: OpenedModel,
  options: Pick<NewSequencesOptions, 'lines' | 'targets' | 'collects'>,
): { readonly reader: SequenceReader; readonly model: OpenedModel } {
  const { dataset, training } = model.experiment;
  const { run } = model;
  const past = windowsToAdapt(run.decisions?.intervals ?? {});
  const reader = newSequences(dataset, model.data, { rows: streamsOf(training), past, ...options });
  const carriesState = reader.continues ? training.carry_state : run.spec.carriesState;
  return { reader, model: { ...model, run: { ...run, spec: { ...run.spec, carriesState } } } };
}

async function start(
  { loaded, file, tensors, weights, top, decisions }: SavedModel,
  undecided: ModelRun,
  of: Pick<OpenedModel, 'data' | 'scaling'>,
): Promise<OpenedModel> {
  const run = { ...undecided, decisions };
  const pool = await ShardPool.open(run);
  loadWeights(file, pool.layout, pool.parameters, { which: weights, tensors });
  pool.arrays.write(pool.parameters);
  const { experiment } = loaded;
  const { dataset } = experiment;
  const { columnNames } = newSequences(dataset, of.data);
  const { stepColumns, sampleReader, recordingReader, seriesReader } = readersOf(dataset);
  const columns = stepColumns?.(dataset, of.data);
  return {
    ...{ experiment, run, pool, training: experiment.training, ...of, columnNames },
    form: { ...predictionForm(run, of.data, dataset), ...(top !== undefined && { top }) },
    columns,
    readers: columns && stepReaders(columns, of.data),
    samples: () => sampleReader?.(dataset, of.data),
    recordings: () => recordingReader?.(dataset, of.data),
    series: seriesReader?.(dataset, of.data),
  };
}

/**
 * Computes the metrics of `model` on a split of its experiment, exactly as the run does, and those
 * of the trivial baselines. `watch` is called after each batch.
 */
export async function evaluateCheckpoint(
  saved: SavedModel,
  { split, ...options }: BackendOptions & { readonly split: SplitName },
  watch: (progress: EvaluationProgress) => void,
  observe?: (sequence: PredictedSequence) => void,
): Promise<Evaluation & { readonly baselines: SplitBaselines }> {
  const model = await openWithData(saved, options);
  try {
    const { run, pool, dataset, experiment } = model;
    const of = splitOf(dataset, split);
    const evaluator = new Evaluator(pool, run, evaluationRows(run, experiment.training, of.count));
    const groupOf = groupsOf(dataset, of);
    const evaluation = (await evaluator.evaluate(of, { progress: watch, observe, groupOf })) as Evaluation;
    return { ...evaluation, baselines: trivialBaselines(run, dataset)(of) };
  } finally {
    await model.pool.close();
  }
}

export interface InputEvaluation extends Evaluation {
  /** Absent if the training data cannot be read. */
  readonly baselines?: SplitBaselines;
  /** What makes the metrics doubtful. */
  readonly warnings: readonly Diagnostic[];
}

/**
 * Computes the metrics of `model` on new sequences with targets, in the format of its run's data,
 * and those of the trivial baselines. `watch` is called after each batch with its number of
 * sequences.
 * @throws UserError (exit 5) if no sequence has a target
 */
export async function evaluateInput(
  saved: SavedModel,
  sources: readonly InputSource[],
  { onRejected, ...options }: BackendOptions & RejectionOptions,
  watch?: (sequences: number) => void,
  observe?: (sequence: PredictedSequence) => void,
): Promise<InputEvaluation> {
  const opened = await openWithoutData(saved, options, true);
  try {
    const { run, data, experiment } = opened;
    const { loss } = experiment;
    const { target: kind } = lossOf(run.loss);
    const targets: TargetsToRead = {
      kind,
      perStep: predictsEachStep(run.spec.head),
      size: sizeOfTarget(run, data),
      ignoredLabel: loss.kind === 'cross_entropy' ? loss.ignored_index : undefined,
    };
    // steps that a loss ignores, or that forecasts only read, need none
    const areCounted =
      targets.perStep &&
      kind !== 'sequence' &&
      (targets.ignoredLabel ?? IGNORED) === IGNORED &&
      data.first_prediction === undefined;
    const { reader, model } = readerFor(opened, { targets, collects: onRejected === undefined });
    const isUnlearned = (symbol: number) => symbol === UNKNOWN && !data.vocabulary?.has_unknown;
    let [symbols, unlearned, empty, unlabelled, bare] = [0, 0, 0, 0, 0];
    const doubts = new JoinedDoubts(true);
    const warnings = await trainedOn(saved, sources);
    const unknown = new Set<string | undefined>();
    const isNew = (warning: Diagnostic): boolean => {
      const { code, got } = warning;
      if (doubts.take(warning)) return false;
      if (code !== UNKNOWN_TARGET) return true;
      if (unknown.has(got) || unknown.size === MAX_UNKNOWN) return false;
      unknown.add(got);
      return true;
    };
    const baselines = await baselinesOf(saved, options);
    if ('problem' in baselines) warnings.push(baselines.problem);
    const { scores, knownIn } = 'problem' in baselines ? { scores: undefined } : baselines;
    let [known, all] = [0, 0];
    const measured = async function* () {
      for await (const list of reader.read(sources)) {
        for (const sequence of list) {
          if (isRejected(sequence)) continue;
          if (sequence.length === 0) empty++;
          else if (hasNoTarget(sequence)) unlabelled++;
          else if (areCounted) bare += stepsWithout(sequence);
          if (!data.vocabulary) continue;
          symbols += sequence.length;
          unlearned += sequence.values.filter(isUnlearned).length;
        }
        yield list.filter(one => isRejected(one) || isInSplits(one, kind, experiment));
      }
    };
    const evaluation = await new Predictor(model).evaluate(
      measured(),
      { onRejected },
      (split, rows) => {
        scores?.add(split);
        known += knownIn?.(split) ?? 0;
        all += split.count;
        warnings.push(...rows.flatMap(row => row.warnings ?? []).filter(isNew));
        watch?.(split.count);
      },
      observe,
    );
    if (evaluation.count === 0) {
      const file = sources.length === 1 ? sources[0].name : undefined;
      throw damagedError('data/nothing-to-evaluate', 'the input has no sequence with a target', { file });
    }
    for (const [count, what, part] of [
      [empty, 'sequence', 'a step'],
      [unlabelled, 'sequence', 'a target'],
      [bare, 'step', 'a target'],
    ] as const) {
      if (count === 0) continue;
      const message = `left out: ${counted(count, what)} without ${part}`;
      warnings.push({ code: 'predict/left-out', message });
    }
    warnings.push(...doubts.all);
    if (known > 0 && !warnings.some(({ code }) => code === TRAINED_ON)) {
      const message = `${known} of ${counted(all, 'sequence')} have the features of training sequences: if they are the same, the metrics say little about new data`;
      warnings.push({ code: TRAINED_ON, message });
    }
    if (unlearned > 0) {
      const of = `${unlearned} of ${symbols} symbols (${percent(unlearned / symbols, 2)})`;
      const message = `${of} do not occur in the training split: the model has not learned to read them`;
      warnings.push({ code: 'predict/unlearned', message });
    }
    return { ...evaluation, ...(scores && { baselines: scores.all }), warnings };
  } finally {
    await opened.pool.close();
  }
}

const TRAINED_ON = 'predict/training-data';

/** Warns once of inputs that are files with training data of the run. */
async function trainedOn({ manifest }: SavedModel, sources: readonly InputSource[]): Promise<Diagnostic[]> {
  const ofTraining = manifest?.datasets.filter(({ split }) => split === 'train') ?? [];
  const starts = recordedStarts(ofTraining);
  const found: string[] = [];
  for (const { name } of sources) {
    const digest = await digestOf(name);
    if (digest !== undefined && starts.has(startOf(digest))) found.push(name);
  }
  const [file, ...others] = found;
  if (file === undefined) return [];
  const files =
    others.length === 0 ? 'this file has' : `this and ${counted(others.length, 'other file')} have`;
  const message = `${files} training data of the run, so the metrics say little about new data`;
  const expected = 'data that the run has not read, or `--split test`';
  return [{ code: TRAINED_ON, message, file, expected }];
}

/** The baselines, fitted on the training data of the run; a warning if they cannot be read. */
async function baselinesOf(
  { loaded, manifest }: SavedModel,
  options: BackendOptions,
): Promise<
  | { readonly scores: BaselineScores; readonly knownIn: ((split: Split) => number) | undefined }
  | { readonly problem: Diagnostic }
> {
  try {
    const { run, dataset } = await openSession(loaded, { ...options, ...fittedBy(manifest) });
    if (manifest) checkSameData(dataset, manifest);
    const { train, input, sequenceLength: steps, vocabulary, recordings } = dataset;
    const areCompared = vocabulary === undefined && recordings === undefined;
    return {
      scores: fitBaselines(run, dataset)(),
      // rare symbols are one, so that other texts would be equal
      knownIn: areCompared ? countsKnown(train, { steps, width: inputWidth(input) }) : undefined,
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [{ code, message, file, line }] = error.diagnostics;
    const why = `no baselines, since the training data cannot be read: ${message}`;
    // a line is that of the path in the config, which the message has
    return { problem: { code, message: why, ...(line === undefined && { file }) } };
  }
}

/** Maximum number of unknown symbols of targets to warn of; each is told once. */
const MAX_UNKNOWN = 10;

/** True if all targets of a sequence are missing, so that none counts. */
function hasNoTarget({ targets }: NewSequence): boolean {
  return targets === undefined || (targets.length > 0 && targets.every(isMissingTarget));
}

function stepsWithout({ targets = new Int32Array(), length }: NewSequence): number {
  const size = targets.length / length;
  const isWithout = (step: number) => targets.subarray(step * size, (step + 1) * size).every(isMissingTarget);
  return Array.from({ length }, (_, step) => isWithout(step)).filter(Boolean).length;
}

function isMissingTarget(target: number): boolean {
  return target === IGNORED || Number.isNaN(target);
}

/** Sequences without a step or a target, and those that a loss skips, are in no split. */
function isInSplits(
  { targets, length }: NewSequence,
  kind: TargetsToRead['kind'],
  { loss, model }: Experiment,
): boolean {
  if (length === 0) return false;
  if (kind !== 'sequence') return true;
  if (targets === undefined) return false;
  const isSkipped = loss.kind === 'ctc' && loss.on_impossible === 'skip';
  return !(isSkipped && isImpossible(targets, stepsRead(model.steps, length)));
}

function sizeOfTarget({ loss }: ModelRun, { output_size }: DataRecord): number {
  const { target } = lossOf(loss);
  if (target === 'value') return targetSize(loss, output_size);
  return target === 'sequence' ? output_size - 1 : output_size;
}

export function splitOf(dataset: Dataset, name: SplitName): Split {
  const split = dataset[name];
  if (split?.count) return split;
  throw usageError('data/no-split', `this run has no ${name} split`, {
    file: '--split',
    expected: (['train', 'validation', 'test'] as const).filter(one => dataset[one]?.count).join(' | '),
    got: name,
  });
}
