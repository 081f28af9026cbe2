/** The training loop. It reports what happened, and writes nothing: `recorder.ts` does. */

import type { Experiment } from '../config/index.js';
import type { BatchOrder, BatchOrderState } from '../data/index.js';
import { setImmediate } from '../host/index.js';
import { predictsEachStep } from '../math/model/heads.js';
import { BestValues, type Metrics, metricValue } from '../run/gates.js';
import type { SplitMetrics, Summary } from '../run/summary.js';
import type { Predict } from '../tasks/core/collector.js';
import type { Confidence } from '../tasks/core/confidence.js';
import { evaluationCollector } from '../tasks/evaluation.js';
import type { SplitEvaluation } from '../tasks/facts.js';
import { restoreBest, type SavedState } from './checkpoints.js';
import { asksForConfidence, type ConfidenceSettings, DecisionFit, TemperatureFit } from './confidence.js';
import { type Evaluator, groupsOf } from './evaluator.js';
import { type EarlyStop, earlyStop, MetricHistory } from './plan.js';
import type { Recorder } from './recorder.js';
import type { Session } from './session.js';
import { Calibration, NO_TIMES, type RunTimes, StepTimes } from './timing.js';
import { type MetricSums, NO_METRICS, type StepResult, type Trainer } from './trainer.js';

export interface Position {
  /** Completed steps, including skipped ones. */
  readonly step: number;
  /** Skipped steps: no update was made. The optimizer counts only the others. */
  readonly skipped: number;
  /** The current epoch, from 1; at its end, the one that has just ended. */
  readonly epoch: number;
  readonly epochsDone: number;
  readonly epochEnded: boolean;
  readonly order: BatchOrderState;
  readonly totals: EpochTotals;
}

export class TrainingState {
  /** Position after the last completed step; undefined before the first. */
  position: Position | undefined;
  metrics: Metrics = { train: {}, test: {} };
  readonly history: MetricHistory;
  restored: Position | undefined;
  stoppedEarly: Summary['stopped_early'];
  /** Undefined before the end, and if the config asks for nothing. */
  confidence: Confidence | undefined;
  evaluated = false;
  /** Best values over all evaluations, including those of earlier processes. */
  readonly best = new BestValues();
  /** Of this process. */
  readonly stepTimes = new StepTimes();
  /** Of this process. */
  readonly calibration = new Calibration();
  /** Of this process. */
  evalSeconds = 0;

  constructor(
    watched: Iterable<string> = [],
    readonly before: RunTimes = NO_TIMES,
  ) {
    this.history = new MetricHistory(watched);
  }

  restore({ position, metrics, evaluated, history }: SavedState): void {
    this.position = position;
    this.metrics = metrics;
    this.evaluated = evaluated;
    this.history.restore(history);
  }
}

/** A model in training. The loop starts at the position of `state`, which it updates. */
export interface Training {
  readonly trainer: Trainer;
  readonly order: BatchOrder;
  readonly totalSteps: number;
  readonly learningRate: (update: number) => number;
  readonly settings?: Partial<Experiment['training']>;
  readonly state: TrainingState;
  /** Without it, nothing is evaluated. */
  readonly evaluation?: Pick<Session, 'run' | 'dataset'> & {
    readonly batchSize: number;
    /** The folder of the checkpoints, if training ends with the weights of the best one. */
    readonly restoreFrom?: string;
    /** What is fitted on the validation split in the end. */
    readonly confidence?: ConfidenceSettings;
  };
  /** Pause after this many epochs have been trained and evaluated; absent: never. */
  readonly pauseAfterEpoch?: number | undefined;
  readonly signal?: AbortSignal;
  /** Its callbacks are awaited. */
  readonly observer?: Partial<Recorder>;
}

export interface StepReport extends Position, StepResult {
  readonly learningRate: number;
  readonly evaluationIsDue: boolean;
  readonly samples: number;
  readonly seconds: number;
}

export type EpochReport = Position & EpochMeans;

export interface Measured {
  readonly split: 'validation' | 'test';
  readonly position: Position;
  readonly metrics: SplitMetrics;
  readonly samples: number;
  readonly seconds: number;
}

export interface EvaluationReport extends Measured {
  readonly document: SplitEvaluation;
  /** `end`: of the final weights on the test split, which selects nothing. */
  readonly stage: 'training' | 'end';
  readonly isLast: boolean;
  /** Present if this evaluation ends training although steps are left. */
  readonly stop?: EarlyStop;
}

export type LoopEnd =
  | { readonly status: 'completed' | 'interrupted' }
  | ({
      /** The update of `step` failed, and no more batches may be skipped. */
      readonly status: 'diverged';
      readonly step: number;
      readonly epoch: number;
      readonly skipped: number;
      readonly learningRate: number;
    } & Pick<StepResult, 'loss' | 'gradientNorm' | 'notFinite'>);

const INTERRUPTED: LoopEnd = { status: 'interrupted' };

/** The next batch is written while a step runs. */
export async function trainingLoop(training: Training): Promise<LoopEnd> {
  const { trainer, order, totalSteps, settings = {}, state, signal, observer } = training;
  const { max_skipped_batches: maxSkipped = 0, evaluate_every: every } = settings;
  const { pauseAfterEpoch = Number.POSITIVE_INFINITY } = training;
  const from = state.position;
  const done = from?.step ?? 0;
  let epoch = new EpochSums(from?.totals);
  let skipped = from?.skipped ?? 0;
  let next = done < totalSteps ? await take(trainer, order, done + 1) : undefined;
  const isDue = ({ step, epochEnded }: Pick<Position, 'step' | 'epochEnded'>) =>
    epochEnded || step >= totalSteps || (every !== undefined && step % every.steps === 0);
  if (from && !state.evaluated && isDue(from)) {
    if (!(await evaluateEpoch(training, from, epoch))) return INTERRUPTED;
  }
  if (from?.epochEnded) epoch = new EpochSums();
  for (let step = done + 1; next && step <= totalSteps; step++) {
    if (stopOf(training)) break;
    const isPausing = state.evaluated && (state.position?.epochsDone ?? 0) >= pauseAfterEpoch;
    if (signal?.aborted || isPausing) return INTERRUPTED;
    const began = performance.now();
    const { batch, samples, ...after } = next;
    const update = step - skipped;
    const learningRate = training.learningRate(update);
    const running = trainer.step(batch, update, learningRate);
    const coming = step < totalSteps ? take(trainer, order, step + 1) : undefined;
    // its error is thrown when it is awaited, after the current step
    coming?.catch(() => {});
    // results that threads return quickly would keep signals and timers waiting
    const [result] = await Promise.all([running, setImmediate()]);
    next = await coming;
    if (!result.updated && skipped >= maxSkipped) {
      const { loss, gradientNorm, notFinite } = result;
      const failed = { step, epoch: after.epoch, skipped, learningRate, loss, gradientNorm, notFinite };
      return { status: 'diverged', ...failed };
    }
    const seconds = (performance.now() - began) / 1000;
    if (!result.updated) skipped++;
    epoch.add(result, samples, seconds);
    const position = { step, skipped, ...after, totals: epoch.totals };
    const evaluationIsDue = isDue(position);
    state.position = position;
    state.evaluated = false;
    await observer?.step?.({ ...position, ...result, learningRate, evaluationIsDue, samples, seconds });
    // not before, so as not to delay the first step
    if (step === done + 1) await evaluatorOf(training)?.warmUp();
    if (!evaluationIsDue) continue;
    if (!(await evaluateEpoch(training, position, epoch))) return INTERRUPTED;
    if (position.epochEnded) epoch = new EpochSums();
  }
  return (await finish(training)) ? { status: 'completed' } : INTERRUPTED;
}

/** Why training is complete although steps are left; undefined if it is not. */
function stopOf({ settings, totalSteps, state }: Training): EarlyStop | undefined {
  const earlyStopping = settings?.early_stopping;
  if (earlyStopping === undefined || (state.position?.step ?? 0) >= totalSteps) return undefined;
  return earlyStop(state.history.of(earlyStopping.metric), earlyStopping);
}

function evaluatorOf({ trainer, evaluation }: Training): Evaluator | undefined {
  return evaluation && trainer.evaluator(evaluation.batchSize);
}

/** Evaluates the split that selects: validation, or test. Returns false if interrupted. */
async function evaluateEpoch(training: Training, position: Position, epoch: EpochSums): Promise<boolean> {
  const { state, totalSteps, evaluation, observer } = training;
  const report: EpochReport = { ...position, ...epoch.means() };
  observer?.epoch?.(report);
  if (!evaluation) return true;
  const split = evaluation.dataset.validation ? 'validation' : 'test';
  const result = await measure(training, evaluation, split, position);
  if (!result) return false;
  // without any trained batch there is no mean
  const train: SplitMetrics = report.samples > 0 ? { loss: report.loss, ...report.metrics } : {};
  const { validation, test }: Metrics = { ...state.metrics, [split]: result.metrics };
  // in a fixed order, because checkpoints must be byte-identical
  state.metrics = { train, ...(validation && { validation }), test };
  state.history.add(position.step - position.skipped, metric => metricValue(state.metrics, metric));
  state.evaluated = true;
  const stop = stopOf(training);
  const isLast = position.step >= totalSteps || stop !== undefined;
  await observer?.evaluation?.({ stage: 'training', ...result, isLast, ...(stop && { stop }) });
  return true;
}

/**
 * Restores the best weights if training ends with them, and evaluates the test split unless these
 * weights already were. Returns false if interrupted.
 */
async function finish(training: Training): Promise<boolean> {
  const { trainer, state, evaluation, observer } = training;
  const { position } = state;
  if (!position || !evaluation) return true;
  const stop = stopOf(training);
  if (stop) {
    const { metric, patience, best } = stop;
    state.stoppedEarly = { metric, patience, best: Number.isFinite(best) ? best : null };
    observer?.earlyStop?.(position, stop);
  }
  const { restoreFrom } = evaluation;
  const best = restoreFrom === undefined ? undefined : restoreBest(restoreFrom, trainer);
  if (best) trainer.writeWeights();
  const isOther = best !== undefined && best.position.step !== position.step;
  if (isOther) {
    state.metrics = best.metrics;
    state.restored = best.position;
  }
  if (!evaluation.dataset.validation && !isOther) return true;
  if (!(await fitConfidence(training, evaluation, position))) return false;
  const result = await measure(training, evaluation, 'test', position);
  if (!result) return false;
  state.metrics = { ...state.metrics, test: result.metrics };
  await observer?.evaluation?.({ stage: 'end', ...result, isLast: true });
  return true;
}

/**
 * Fits what the config asks for on the predictions of the final weights for the validation split:
 * first temperatures, which the weights take up, then the rest. The metrics of the split are then
 * those of the decisions, as a later evaluation measures them. Reads no other split. Returns false
 * if interrupted.
 */
async function fitConfidence(
  { trainer, state, signal, observer, ...training }: Training,
  { run, dataset, confidence: settings = {} }: NonNullable<Training['evaluation']>,
  position: Position,
): Promise<boolean> {
  const { validation } = dataset;
  if (!validation || !asksForConfidence(settings)) return true;
  const evaluator = evaluatorOf({ trainer, state, ...training }) as Evaluator;
  const evaluated = async (options: Parameters<Evaluator['evaluate']>[1]) => {
    const restore = trainer.useAverage();
    try {
      return await evaluator.evaluate(validation, {
        signal,
        groupOf: groupsOf(dataset, validation),
        ...options,
      });
    } finally {
      restore();
    }
  };
  const { calibrate, intervals } = settings;
  let temperatures: number[] | undefined;
  let right: number[] = [];
  if (calibrate) {
    const fit = new TemperatureFit(run);
    if (!(await evaluated({ observe: fit.add }))) return false;
    const found = fit.temperatures;
    right = [...found.keys()].filter(i => found[i] === undefined);
    temperatures = found.map((temperature = 1) => temperature);
    await trainer.divideLogits(temperatures);
  }
  const { seriesFacts, firstPrediction = 0 } = dataset;
  const isEachStep = seriesFacts !== undefined && predictsEachStep(run.spec.head);
  const fit = new DecisionFit(run, settings, isEachStep ? firstPrediction : undefined);
  if (!(await evaluated({ observe: fit.add, conformity: intervals?.method }))) return false;
  const { missed, predictions, ...decisions } = fit.decisions;
  const { step } = state.restored ?? position;
  const found: Confidence = {
    version: 1,
    step,
    predictions,
    ...(temperatures && { temperatures }),
    ...decisions,
  };
  const last = await evaluated({ decisions });
  if (!last) return false;
  state.metrics = { ...state.metrics, validation: { loss: last.loss, ...last.metrics } };
  state.confidence = found;
  await observer?.confidence?.(found, { missed, right });
  return true;
}

/** Evaluates a split, with the average of the weights if one is kept; null if interrupted. */
async function measure(
  training: Training,
  { run, dataset }: Pick<Session, 'run' | 'dataset'>,
  name: 'validation' | 'test',
  position: Position,
): Promise<Omit<EvaluationReport, 'stage' | 'isLast'> | null> {
  const { trainer, state, signal, observer } = training;
  const evaluator = evaluatorOf(training) as Evaluator;
  await evaluator.warmUp();
  const split = dataset[name] ?? dataset.test;
  const place = { split: name, position };
  if (trainer.average) {
    const began = performance.now();
    const evaluation = await evaluator.evaluate(split, { signal });
    if (!evaluation) return null;
    const { loss, metrics, count: samples } = evaluation;
    const seconds = (performance.now() - began) / 1000;
    observer?.trainedWeights?.({ ...place, metrics: { loss, ...metrics }, samples, seconds });
  }
  const began = performance.now();
  const { confidence: decisions } = state;
  const collector = evaluationCollector({ ...run, decisions }, dataset, name);
  const observe = collector.add.bind(collector);
  const restore = trainer.useAverage();
  try {
    const progress = observer?.evaluating?.bind(observer);
    const groupOf = groupsOf(dataset, split);
    const evaluation = await evaluator.evaluate(split, { signal, observe, progress, decisions, groupOf });
    if (!evaluation) return null;
    const seconds = (performance.now() - began) / 1000;
    const { loss, metrics, count: samples } = evaluation;
    const measured = split.count === 0 ? {} : { loss, ...metrics };
    // after a restore, the evaluated weights are those of an earlier step
    const { step, epoch } = state.restored ?? position;
    const found = collector.document({ step, epoch, ...evaluation });
    const predict: Predict = (shown, observe) => evaluator.evaluate(shown, { decisions, observe });
    const document = name === 'test' ? await collector.complete(found, predict) : found;
    return { ...place, metrics: measured, samples, seconds, document };
  } finally {
    restore();
  }
}

/** The written batch of step `step`, and the position after it. */
async function take(trainer: Trainer, order: BatchOrder, step: number) {
  const epoch = order.epoch + 1;
  const startsEpoch = order.position === 0;
  const indices = order.next();
  const after = {
    samples: indices.length,
    epoch,
    epochsDone: order.epoch,
    epochEnded: order.position === 0,
    order: order.state,
  };
  return { batch: await trainer.prepare(indices, step, startsEpoch), ...after };
}

export interface EpochTotals {
  /** Loss summed over the sequences trained on. Skipped batches do not count here or below. */
  readonly loss: number;
  readonly samples: number;
  readonly metrics: MetricSums;
}

export interface EpochMeans {
  /** Mean over the sequences trained on so far in this epoch; NaN if every batch was skipped. */
  readonly loss: number;
  readonly metrics: SplitMetrics;
  readonly samples: number;
  readonly seconds: number;
}

class EpochSums {
  totals: EpochTotals;
  private seconds = 0;

  constructor(totals: EpochTotals = { loss: 0, samples: 0, metrics: NO_METRICS }) {
    this.totals = totals.samples === 0 ? { ...totals, metrics: NO_METRICS } : totals;
  }

  add({ loss, updated, metrics }: StepResult, samples: number, seconds: number): void {
    this.seconds += seconds;
    if (!updated) return;
    const { totals } = this;
    this.totals = {
      loss: totals.loss + loss * samples,
      samples: totals.samples + samples,
      metrics: totals.metrics.predictions === 0 ? metrics : added(totals.metrics, metrics),
    };
  }

  /** Means over the epoch. `seconds` counts only this process. */
  means(): EpochMeans {
    const { loss, samples, metrics } = this.totals;
    const sums = metrics.predictions === 0 ? [] : Object.entries(metrics.sums);
    const means = Object.fromEntries(sums.map(([name, sum]) => [name, sum / metrics.predictions]));
    return { loss: loss / samples, metrics: means, samples, seconds: this.seconds };
  }
}

/** Only metrics that both have. */
function added(before: MetricSums, now: MetricSums): MetricSums {
  const both = Object.entries(before.sums).filter(([name]) => name in now.sums);
  const sums = Object.fromEntries(both.map(([name, sum]) => [name, sum + now.sums[name]]));
  return { sums, predictions: before.predictions + now.predictions };
}
