/** Warns of keys of `training` that have no effect, or an unintended one, with this data. */
import { taskOf } from '../math/losses/index.js';
import type { Diagnostic } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { LoadedExperiment } from './load.js';
import { measuredMetrics } from './losses.js';
import { batchesPerEpoch, checkCutWarmup } from './schedule-checks.js';

interface TrainingSplit {
  readonly count: number;
  readonly lengths?: Int32Array;
}

/** @param outputSize number of outputs of the head; equals the number of classes, if any */
export function trainingWarnings(
  loaded: LoadedExperiment,
  train: TrainingSplit,
  outputSize: number,
): Diagnostic[] {
  return [
    ...checkBatch(loaded, train),
    ...checkLengths(loaded, train),
    ...checkRanks(loaded, outputSize),
    ...checkPatience(loaded, train),
    ...checkCutWarmup(loaded, train),
  ];
}

function checkBatch({ experiment, locator }: LoadedExperiment, train: TrainingSplit): Diagnostic[] {
  const { batch_size: size, last_batch } = experiment.training;
  if (size <= train.count || last_batch === 'drop') return [];
  const message = `\`batch_size\` exceeds the training split (${counted(train.count, 'sequence')}), so an epoch is one step`;
  const more = { expected: `at most ${train.count}`, got: String(size) };
  return [locator.atValue(['training', 'batch_size'], 'data/batch-size', message, more)];
}

/** Bucketing needs sequences of different lengths. */
function checkLengths({ experiment, locator }: LoadedExperiment, train: TrainingSplit): Diagnostic[] {
  if (!experiment.training.bucket_by_length || train.lengths !== undefined) return [];
  const message = '`bucket_by_length` has no effect: all training sequences have the same length';
  return [locator.atValue(['training', 'bucket_by_length'], 'data/one-length', message)];
}

const RANKS = [
  ['top_3_accuracy', 3],
  ['top_5_accuracy', 5],
] as const;

/** With at most k classes, the label is always among the top k. */
function checkRanks({ experiment, locator }: LoadedExperiment, outputSize: number): Diagnostic[] {
  const { loss, training } = experiment;
  if (taskOf(loss) !== 'classes') return [];
  const measured = measuredMetrics(experiment);
  return RANKS.flatMap(([metric, k]) => {
    if (outputSize > k || !measured.includes(metric)) return [];
    const at = training.metrics?.indexOf(metric) ?? -1;
    const path = ['training', 'metrics', ...(at < 0 ? [] : [at])];
    const message = `${metric} is always 1, since there are only ${outputSize} classes`;
    return [
      locator.atValue(path, 'config/trivial-metric', message, { expected: 'accuracy, or another metric' }),
    ];
  });
}

/** A patience longer than training disables early stopping or the plateau schedule. */
function checkPatience({ experiment, locator }: LoadedExperiment, train: TrainingSplit): Diagnostic[] {
  const { training, optimizer } = experiment;
  const evaluations = evaluationsOf(training, train.count);
  const report = (path: string[], patience: number, needed: number, what: string): Diagnostic[] => {
    // the evaluation at the end of training is too late
    if (needed < evaluations) return [];
    const are = evaluations === 1 ? 'there is 1' : `there are ${evaluations}`;
    const key = `\`${path.join('.')}: ${patience}\``;
    const message = `${key} has no effect in this run: ${what} needs ${counted(needed, 'evaluation')} before the last, but ${are} in total`;
    return [locator.atValue(path, 'config/unreached-patience', message, { got: String(patience) })];
  };
  const { early_stopping } = training;
  const { schedule } = optimizer;
  return [
    // the first evaluation is always the best so far
    ...(early_stopping
      ? report(
          ['training', 'early_stopping', 'patience'],
          early_stopping.patience,
          early_stopping.patience + 1,
          'stopping early',
        )
      : []),
    ...(schedule?.kind === 'plateau'
      ? report(
          ['optimizer', 'schedule', 'patience'],
          schedule.patience,
          schedule.patience + 2,
          'reducing the learning rate',
        )
      : []),
  ];
}

/** Number of evaluations of a run: after each epoch, every N steps, and after the last step. */
function evaluationsOf(training: LoadedExperiment['experiment']['training'], trainCount: number): number {
  const { num_epochs, max_steps, evaluate_every } = training;
  const perEpoch = batchesPerEpoch(training, trainCount);
  const steps = Math.min(num_epochs * perEpoch, max_steps ?? Number.POSITIVE_INFINITY);
  const every = evaluate_every?.steps;
  const atEpochs = Math.floor(steps / perEpoch);
  if (every === undefined) return atEpochs + Number(steps % perEpoch > 0);
  const atBoth = Math.floor(steps / leastCommonMultiple(perEpoch, every));
  const isExtra = steps % perEpoch > 0 && steps % every > 0;
  return atEpochs + Math.floor(steps / every) - atBoth + Number(isExtra);
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}
