/** Prepares training from a loaded config: dataset, loss, model sizes, backend, trainer. */

import { checkAgainstData, type ModelSizes } from '../config/data-check.js';
import {
  type Experiment,
  type LoadedExperiment,
  locateInConfig,
  measuredMetrics,
  refuseRepeatedFiles,
} from '../config/index.js';
import { targetsOfKind } from '../data/core/targets.js';
import { type Dataset, type DatasetContext, openDataset, type Split } from '../data/index.js';
import type { Arithmetic } from '../engine/arithmetic.js';
import { chooseBackend, usableCores } from '../engine/backend.js';
import type { Backend, BackendRequest } from '../engine/backend-names.js';
import { Engine } from '../engine/index.js';
import { measuredWidth, type Width } from '../engine/width.js';
import { fs, setImmediate } from '../host/index.js';
import type { DecodeSettings } from '../math/decoding/ctc.js';
import { isImpossible } from '../math/losses/ctc.js';
import { type LossSettings, lossFor, taskOf } from '../math/losses/index.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { describeModel, type ModelSpec, stepsRead } from '../math/model/spec.js';
import { optimizerOf } from '../math/optimizers/index.js';
import { type Baseline, parseBaseline, readBaselineText } from '../run/baseline.js';
import type { WrittenGate } from '../run/gates.js';
import { countsOf } from '../tasks/classes/baselines.js';
import { taskFacts } from '../tasks/facts.js';
import { caught, forAll, UserError, usageError, usageErrors } from '../util/errors.js';
import { checkGroups, parameterGroups } from './groups.js';
import { inheritedBy } from './initial-weights.js';
import type { ShardPool } from './pool.js';
import type { ModelRun } from './shards.js';
import { Trainer, type TrainerOptions } from './trainer.js';

export interface BackendOptions {
  readonly backend: BackendRequest;
  /** Undefined: as many as the process can use. */
  readonly threads: number | undefined;
  /** Bits of vectors on webasm; undefined: the fastest on this machine. */
  readonly width?: Width | undefined;
  /** Whether kernels round alike on every machine: no fused multiply-add. */
  readonly portable?: boolean | undefined;
}

export type Session = Awaited<ReturnType<typeof openSession>>;

/** Reads the data and chooses the backend. */
export async function openSession(loaded: LoadedExperiment, options: BackendOptions & Fitted) {
  const { experiment } = loaded;
  const [choice, dataset] = await Promise.all([
    chooseBackend(options.portable && options.backend === 'auto' ? 'webasm' : options.backend).then(
      async choice => {
        // after reading of the files has started
        await setImmediate();
        if (choice.backend === 'webasm')
          Engine.prepare(options.width, options.portable ? 'separate' : undefined);
        return choice;
      },
    ),
    openData(experiment, options).catch((error: unknown) => {
      throw error instanceof UserError ? locateInConfig(error, loaded) : error;
    }),
  ]);
  const { threads, width, portable = false } = options;
  const { diagnostics, warnings, sizes } = checkAgainstData(loaded, dataset);
  if (diagnostics.length > 0) throw usageErrors(diagnostics);
  const spec = modelSpec(loaded, sizes);
  const arithmetic = portable ? portableOn(choice.backend) : undefined;
  const run: ModelRun = {
    backend: choice.backend,
    threads: threads ?? usableCores(),
    width: widthOn(choice.backend, width, arithmetic),
    arithmetic,
    spec,
    loss: lossSettings(loaded, dataset.train, spec),
    decode: decodeSettings(loaded.experiment, sizes.targetLength),
    metrics: measuredMetrics(loaded.experiment),
    seed: loaded.experiment.seed,
    sequenceLength: sizes.sequenceLength,
    targetLength: sizes.targetLength,
    variableLength: [dataset.train, dataset.validation, dataset.test].some(split => split?.lengths),
  };
  return { dataset, spec, choice, run, warnings };
}

/** Other backends round as gpu.js or the driver does. */
function portableOn(backend: Backend): Arithmetic {
  if (backend === 'webasm') return 'separate';
  throw usageError('backend/portable', `backend ${backend} does not round alike on every machine`, {
    file: '--portable',
    expected: '--backend webasm',
  });
}

/** Undefined on backends that choose the vector width themselves. */
export function widthOn(
  backend: Backend,
  asked: Width | undefined,
  arithmetic?: Arithmetic,
): Width | undefined {
  if (backend === 'webasm') return asked ?? measuredWidth(arithmetic).width;
  if (asked === undefined) return undefined;
  throw usageError('backend/width', `backend ${backend} has no vector width to choose`, {
    file: '--width',
    expected: '--backend webasm, or no --width',
    got: String(asked),
  });
}

export async function createTrainer(
  loaded: LoadedExperiment,
  { dataset, run, spec }: Session,
  pool?: ShardPool,
): Promise<Trainer> {
  const { training, optimizer } = loaded.experiment;
  const options: TrainerOptions = {
    ...run,
    train: dataset.train,
    batchSize: training.batch_size,
    gradientClipNorm: training.gradient_clip_norm,
    groups: parameterGroups(loaded, new ParameterLayout(spec)),
    averageDecay: training.average?.decay,
  };
  return Trainer.create(options, optimizerOf(optimizer), optimizer, pool);
}

/** 1 GiB: they fit into one flat array and leave room for a gradient per shard. */
const MAX_PARAMETERS = 2 ** 28;

export function modelSpec(loaded: LoadedExperiment, sizes: ModelSizes): ModelSpec {
  const { experiment, locator } = loaded;
  const spec = describeModel(experiment.model, { ...sizes, carriesState: experiment.training.carry_state });
  const layout = new ParameterLayout(spec);
  if (layout.size > MAX_PARAMETERS) {
    throw usageErrors([
      locator.atKey(['model', 'hidden_size'], 'config/model-size', 'the model is too large', {
        expected: `at most ${MAX_PARAMETERS.toLocaleString('en')} parameters`,
        got: layout.size.toLocaleString('en'),
      }),
    ]);
  }
  checkGroups(loaded, layout);
  return spec;
}

/** Values that a run fitted on its training split; fitted again if absent. */
export type Fitted = Pick<DatasetContext, 'preparation' | 'scaling' | 'vocabulary'>;

/**
 * The last parameter has the values that the run fitted earlier. A new run may keep those of the
 * run that its weights are from.
 */
export async function openData(
  {
    dataset,
    loss,
    seed,
    training,
    model,
  }: Pick<Experiment, 'dataset' | 'loss' | 'seed'> & Partial<Pick<Experiment, 'training' | 'model'>>,
  { threads, preparation, scaling, vocabulary }: Fitted & Pick<DatasetContext, 'threads'> = {},
): Promise<Dataset> {
  await refuseRepeatedFiles(dataset);
  const isNew = (preparation ?? scaling ?? vocabulary) === undefined;
  const { hasLabelTargets } = taskFacts[taskOf(loss)];
  return openDataset(dataset, {
    seed,
    threads,
    streams: streamsOf(training),
    ...(isNew && model ? inheritedBy(model) : { preparation, scaling, vocabulary }),
    hasLabelTargets,
    ignoredLabel: loss.kind === 'cross_entropy' ? loss.ignored_index : undefined,
    leavesOut:
      loss.kind === 'ctc' && loss.on_impossible === 'skip'
        ? (symbols, steps) => isImpossible(symbols, stepsRead(model?.steps, steps))
        : undefined,
  });
}

/** With carried state, each row continues that row of the previous batch. */
export function streamsOf(training: Experiment['training'] | undefined): number {
  return training?.carry_state ? training.batch_size : 1;
}

/** The loss settings for the threads, with class weights as numbers. */
function lossSettings(
  { experiment: { loss, model } }: LoadedExperiment,
  train: Split,
  { outputSize }: ModelSpec,
): LossSettings {
  if (loss.kind !== 'cross_entropy') return loss;
  const { kind, label_smoothing, class_weights: given } = loss;
  if (model.decoder) return lossFor({ kind, label_smoothing }, model);
  if (given === undefined) return { kind, label_smoothing };
  const class_weights = given === 'balanced' ? balancedWeights(train, outputSize) : given;
  return { kind, label_smoothing, class_weights };
}

/**
 * Balanced class weights, [C]: N / (K n) for a class with n of N labels, if K classes occur, like
 * scikit-learn's `compute_class_weight`; 1 for a class that does not occur.
 */
export function balancedWeights({ targets }: Split, classes: number): number[] {
  const counts = countsOf(targetsOfKind('class', targets).values);
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return Array.from({ length: classes }, (_, label) => {
    const count = counts.get(label);
    return count === undefined ? 1 : total / (counts.size * count);
  });
}

/** A decoder ends at the latest after twice as many symbols as the longest target has. */
export function decodeSettings({ decode, model }: Experiment, targetLength = 1): DecodeSettings {
  const { beam = 1, limit = 2 * targetLength } = decode ?? {};
  return model.decoder ? { beam, limit } : { beam };
}

export type Gates = ReturnType<typeof readGates>;

/**
 * The gates of a config with the means of their baselines, and the texts of these by path.
 * `baselineAt` is where a baseline is read, such as a copy in the directory of the run.
 */
export function readGates(loaded: LoadedExperiment, baselineAt = (path: string) => path) {
  const baselines = new Map<string, string>();
  const written = forAll(loaded.experiment.gates, (gate, index): WrittenGate => {
    const placed = { ...gate, origin: loaded.origin(`gates.${index}`) };
    const { baseline } = gate;
    if (baseline === undefined) return placed;
    const found = caught(() => referenceOf(loaded, index, baselineAt(baseline)));
    if (found instanceof UserError) throw locateInConfig(found, loaded);
    baselines.set(baseline, found.text);
    return { ...placed, reference: found.mean };
  });
  return { written, baselines };
}

/** A config loaded from a run directory has only locations in its own file. */
export function withGateOrigins(loaded: LoadedExperiment, origins: readonly string[]): LoadedExperiment {
  const places = new Map(origins.map((place, index) => [`gates.${index}`, place]));
  return { ...loaded, origin: key => places.get(key) ?? loaded.origin(key) };
}

function referenceOf(
  { experiment, locator }: LoadedExperiment,
  index: number,
  file: string,
): { readonly mean: number; readonly text: string } {
  const { metric } = experiment.gates[index];
  if (!fs.existsSync(file))
    throw usageErrors([
      locator.atValue(['gates', index, 'baseline'], 'config/gate', `baseline ${file} does not exist`, {
        expected: 'a file written by `review RUN… --pin FILE`; train the runs to pin with --set gates=[]',
      }),
    ]);
  const text = readBaselineText(file);
  const { metrics }: Baseline = parseBaseline(file, text);
  const found = Object.hasOwn(metrics, metric) ? metrics[metric] : undefined;
  if (found !== undefined) return { mean: found.mean, text };
  throw usageErrors([
    locator.atValue(['gates', index, 'metric'], 'config/gate', `${file} has no ${metric}`, {
      expected: Object.keys(metrics).join(' | '),
    }),
  ]);
}
