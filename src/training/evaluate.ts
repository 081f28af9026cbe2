/** Saved weights at work: the test metrics of a checkpoint, and what it predicts. */
import { type LoadedExperiment, targetSize } from '../config/index.js';
import type { Dataset, Split, SplitName } from '../data/index.js';
import { Engine } from '../engine/index.js';
import { usageError } from '../errors.js';
import { lossOf } from '../losses/index.js';
import type { Numbers } from '../metrics/metric.js';
import { answersEachStep } from '../model/heads.js';
import { ParameterLayout } from '../model/parameters.js';
import { type Evaluation, Evaluator } from './evaluator.js';
import type { EvaluationProgress } from './observer.js';
import { createPool } from './pool.js';
import type { Prediction, PredictionWatcher } from './predictions.js';
import { Readout } from './readout.js';
import { checkSameData, type RunData } from './same-data.js';
import { type BackendOptions, openSession, type Session } from './session.js';
import { allocateParameters } from './shards.js';
import { watchedSplit } from './watched-split.js';
import { loadWeights, type WeightsName } from './weights.js';

/** A checkpoint of a run. */
export interface SavedModel {
  /** The run's config. */
  readonly loaded: LoadedExperiment;
  /** The weights. */
  readonly file: string;
  /** What the run says of its data; absent if it was killed before it said anything. */
  readonly data: RunData | undefined;
  /** Which weights of that checkpoint. */
  readonly weights: WeightsName;
}

/**
 * The metrics of `model` on a split of its experiment, exactly as the run itself computes them.
 * `watch` is called for each sequence.
 * @throws UserError exit 2 if there is no such split, exit 5 if the data are not those of the run.
 */
export async function evaluateCheckpoint(
  model: SavedModel,
  { split, ...options }: BackendOptions & { readonly split: SplitName },
  watch: (progress: EvaluationProgress) => void,
): Promise<Evaluation> {
  return withModel(model, options, async (evaluator, { dataset }) => {
    return (await evaluator.evaluate(watchedSplit(splitOf(dataset, split), watch))) as Evaluation;
  });
}

function splitOf(dataset: Dataset, name: SplitName): Split {
  const split = dataset[name];
  if (split) return split;
  throw usageError({
    code: 'data/no-split',
    message: `this run has no ${name} split`,
    file: '--split',
    expected: (['train', 'validation', 'test'] as const).filter(one => dataset[one]).join(' | '),
    got: name,
  });
}

export interface PredictionOptions extends BackendOptions {
  readonly split: SplitName;
  /** The first so many sequences; undefined: all. */
  readonly limit: number | undefined;
  /** Aborted where nobody wants to hear the rest. */
  readonly signal: AbortSignal | undefined;
}

/** What predictions are like. */
export interface PredictionForm {
  readonly kind: 'class' | 'value';
  /** Whether there is one for each step of a sequence. */
  readonly perStep: boolean;
  /** Numbers of a value. */
  readonly size: number;
  /** Levels of the predicted quantiles; empty if the loss predicts none. */
  readonly quantiles: readonly number[];
  /** The value of each of these quantiles, in the units of the data. */
  quantilesOf(prediction: Prediction): readonly Numbers[];
  /** The shortest decimals that say as much as the numbers of a value. */
  decimals(values: Numbers): readonly number[];
  /** Whether the data name the sequences. */
  readonly named: boolean;
  /** The name of each number of a value, if the data name them and there are several. */
  readonly targetNames?: readonly string[];
  /** The name of each class, where the data name them. */
  readonly classNames?: readonly string[];
}

/**
 * Predicts the sequences of a split and tells each to what `begin` gives. Throws exit 5 where the
 * data are not those of the run.
 */
export async function predictCheckpoint(
  model: SavedModel,
  { split, limit = Number.POSITIVE_INFINITY, signal, ...options }: PredictionOptions,
  begin: (form: PredictionForm) => PredictionWatcher,
): Promise<void> {
  await withModel(model, options, async (evaluator, { dataset, spec, run }) => {
    const all = splitOf(dataset, split);
    const loss = lossOf(run.loss);
    const readout = new Readout(loss, all.targets);
    const size = targetSize(run.loss, spec.outputSize);
    const watch = begin({
      named: all.id !== undefined,
      kind: loss.target,
      quantiles: loss.quantiles?.map(({ level }) => level) ?? [],
      quantilesOf: ({ outputs }) => readout.quantiles(outputs),
      decimals: values => readout.decimals(values),
      perStep: answersEachStep(spec.head),
      size,
      ...(size > 1 && dataset.targetNames && { targetNames: dataset.targetNames }),
      ...(dataset.classLabels && { classNames: dataset.classLabels }),
    });
    const first: Split = { ...all, count: Math.min(all.count, limit) };
    await evaluator.evaluate(first, { signal, watch });
  });
}

async function withModel<T>(
  { loaded, file, weights, data }: SavedModel,
  options: BackendOptions,
  use: (evaluator: Evaluator, session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(loaded, { ...options, scaling: data?.scaling });
  const { dataset, spec, run } = session;
  if (data) checkSameData(dataset, data);
  const layout = new ParameterLayout(spec);
  const engine = await Engine.start(run.backend, { width: run.width });
  const parameters = allocateParameters(layout, engine.heap);
  loadWeights(file, layout, parameters, weights);
  const pool = createPool(engine, run, parameters);
  try {
    return await use(new Evaluator(pool, run, loaded.experiment.training.eval_batch_size), session);
  } finally {
    await pool.close();
    await engine.close();
  }
}
