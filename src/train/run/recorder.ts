/**
 * Records training: handles each step and evaluation with events, evaluations, checkpoints and
 * observer calls.
 */
import type { EarlyStopping, LoadedExperiment } from '../../config/index.js';
import type { Split } from '../../data/index.js';
import type { RunDirectory } from '../../run/directory.js';
import type { SplitEvaluation } from '../../run/evaluation.js';
import { metricValue } from '../../run/gates.js';
import type { SplitMetrics } from '../../run/summary.js';
import { evaluationCollector } from '../evaluation/evaluation-collector.js';
import type { Evaluator } from '../evaluation/evaluator.js';
import { watchedSplit } from '../evaluation/watched-split.js';
import type { Trainer } from '../step/trainer.js';
import type { RunCheckpoints, SaveOptions } from './checkpoints.js';
import { isExhausted, patienceAfter } from './early-stopping.js';
import type { EarlyStop, RunEvents } from './events.js';
import type { EvaluationReport, LoopEnd, Position, StepReport } from './loop.js';
import type { RunObserver } from './observer.js';
import { retryWrite } from './retry-write.js';
import {
  earlyStopSentence,
  evaluationSentence,
  fallbackSentence,
  notFiniteMetrics,
  refutedSentence,
  skippedSentence,
} from './sentences.js';
import type { Session } from './session.js';
import type { RunState } from './state.js';

/** The length of the run. */
export interface RecorderPlan {
  readonly totalSteps: number;
  readonly batchesPerEpoch: number;
  readonly evaluateEvery?: number | undefined;
}

/** The parts of a run. Each is closed by its creator. */
export interface RunParts {
  readonly loaded: LoadedExperiment;
  readonly session: Session;
  readonly directory: RunDirectory;
  readonly trainer: Trainer;
  readonly state: RunState;
  readonly events: RunEvents;
  readonly checkpoints: RunCheckpoints;
  readonly observer: RunObserver;
  /** Aborted to stop the run. */
  readonly signal: AbortSignal;
  /** Interval between logged steps. */
  readonly logEvery: number;
}

interface SplitResult {
  readonly metrics: SplitMetrics;
  /** Predictions that counted. */
  readonly count: number;
  readonly seconds: number;
  /** The content of evaluation.json. */
  readonly document: SplitEvaluation;
}

export class Recorder {
  /** Created after the first step, so as not to delay it. */
  private evaluator: Evaluator | undefined;
  private stepped = false;
  /** The latest evaluation, until its file is written. */
  private unwritten: SplitEvaluation | undefined;

  constructor(
    private readonly parts: RunParts,
    private readonly plan: RecorderPlan,
  ) {}

  async step(report: StepReport): Promise<void> {
    const { step, epoch, samples, seconds } = report;
    const { loaded, state, events, observer, checkpoints } = this.parts;
    state.position = report;
    state.evaluated = false;
    state.stepTimes.add(samples, seconds);
    if (!report.updated) events.skipped(report, skippedSentence(report, loaded), observer);
    if (this.isLogged(report)) events.step(report, state.stepTimes.takeRate());
    if (!this.stepped) {
      this.stepped = true;
      await this.warmEvaluator();
      this.reportFallbacks();
    }
    observer.step({ epoch, step, samples, ...(report.updated && { loss: report.loss }) });
    // if an evaluation is due, the checkpoint is saved after it
    if (!report.evaluationIsDue && checkpoints.isDue(step))
      await this.save({ value: null, temporary: false });
    await this.calibrateWhereDue();
  }

  /**
   * Evaluates the deciding split and saves a checkpoint if due. Returns false if the evaluation was
   * interrupted.
   */
  async evaluation(report: EvaluationReport): Promise<boolean> {
    const { loaded, state, events } = this.parts;
    if (report.epochEnded) events.epoch(report);
    const split = this.decidingSplit;
    const result = await this.evaluate(split, report);
    if (!result) return false;
    // without any trained batch there is no mean
    const train: SplitMetrics = report.samples > 0 ? { loss: report.loss, ...report.metrics } : {};
    const measured: RunState['metrics'] = { ...state.metrics, [split]: result.metrics };
    const { validation, test } = measured;
    // in a fixed order, because checkpoints must be byte-identical
    state.metrics = { train, ...(validation && { validation }), test };
    if (report.epochEnded)
      for (const [name, value] of Object.entries(train)) state.best.add(`train.${name}`, value);
    for (const [name, value] of Object.entries(result.metrics)) state.best.add(`${split}.${name}`, value);
    this.keepHistory(report);
    state.evaluated = true;
    this.unwritten = result.document;
    this.logEvaluation(split, report, result);
    const { early_stopping } = loaded.experiment.training;
    if (early_stopping && this.isFinished && report.step < this.plan.totalSteps)
      events.stoppedEarly(report, this.stopOf(early_stopping));
    await this.saveWhereDue(report);
    return true;
  }

  /** True if training is complete although steps are left. */
  get isFinished(): boolean {
    const { loaded, state } = this.parts;
    const { early_stopping } = loaded.experiment.training;
    return (
      early_stopping !== undefined && isExhausted(state.history.of(early_stopping.metric), early_stopping)
    );
  }

  /**
   * Finishes training: restores the best weights if configured, and evaluates the test split unless
   * these weights already were. Returns false if the evaluation was interrupted.
   */
  async completed(): Promise<boolean> {
    const { loaded, state, observer, session } = this.parts;
    const { early_stopping } = loaded.experiment.training;
    const { position } = state;
    if (!position) return true;
    if (early_stopping && this.isFinished && position.step < this.plan.totalSteps) {
      const stop = this.stopOf(early_stopping);
      state.stoppedEarly = {
        metric: stop.metric,
        patience: stop.patience,
        best: Number.isFinite(stop.best) ? stop.best : null,
      };
      observer.line(earlyStopSentence(position, stop, early_stopping.min_delta));
    }
    const isOther = early_stopping?.restore_best === true && this.restoreBest(position);
    if (!session.dataset.validation && !isOther) return true;
    const result = await this.evaluate('test', position);
    if (!result) return false;
    state.metrics = { ...state.metrics, test: result.metrics };
    this.unwritten = result.document;
    this.logEvaluation('test', position, result);
    await this.writeEvaluation();
    return true;
  }

  /** Saves a checkpoint to resume from. */
  async interrupted(): Promise<void> {
    await this.save({ value: null, temporary: true });
  }

  /** Saves the state before the failed step, and logs that step. */
  async diverged(end: Extract<LoopEnd, { status: 'diverged' }>): Promise<void> {
    const { events } = this.parts;
    await this.save({ value: null, temporary: true });
    events.step(end, undefined);
  }

  /**
   * Adds to the metric history. Warns once about each watched metric that has no value, because it
   * never takes effect.
   */
  private keepHistory({ step, epoch, skipped }: Position): void {
    const { state, events, observer } = this.parts;
    state.history.add(step - skipped, metric => metricValue(state.metrics, metric));
    for (const metric of state.history.metrics) {
      if (metricValue(state.metrics, metric) !== undefined || state.history.of(metric).length > 1) continue;
      const message = `${metric} has no value on this split, so it cannot select a checkpoint`;
      events.undefinedMetric({ step, epoch }, message, observer);
    }
  }

  /** The split used for selection: validation, or test if there is none. */
  private get decidingSplit(): 'validation' | 'test' {
    return this.parts.session.dataset.validation ? 'validation' : 'test';
  }

  private stopOf(settings: EarlyStopping): EarlyStop {
    const history = this.parts.state.history.of(settings.metric);
    const { best = Number.NaN, stale } = patienceAfter(history, settings);
    const { metric } = settings;
    return { metric, value: history.at(-1)?.value ?? Number.NaN, best, patience: stale };
  }

  /** Returns true if the weights now differ from those of the last step. */
  private restoreBest({ step }: Position): boolean {
    const { state, checkpoints } = this.parts;
    const best = checkpoints.restoreBest();
    if (!best || best.position.step === step) return false;
    state.metrics = best.metrics;
    state.restored = best.position;
    return true;
  }

  /** The last step is always logged, and training may stop early after any evaluation. */
  private isLogged({ step, evaluationIsDue }: StepReport): boolean {
    const { loaded, logEvery } = this.parts;
    const mayBeLast = evaluationIsDue && loaded.experiment.training.early_stopping !== undefined;
    return step === 1 || step % logEvery === 0 || step === this.plan.totalSteps || mayBeLast;
  }

  /** Undefined if the evaluation was interrupted. */
  private async evaluate(name: 'validation' | 'test', position: Position): Promise<SplitResult | undefined> {
    const { session, state, observer, trainer, signal } = this.parts;
    const evaluator = await this.warmEvaluator();
    const split = session.dataset[name] ?? session.dataset.test;
    if (trainer.average && !(await this.evaluateTrained(evaluator, name, split, position))) return undefined;
    const began = performance.now();
    const watched = watchedSplit(split, progress => observer.evaluating(progress));
    const collector = evaluationCollector(session.run, session.dataset, name);
    const watch = collector.add.bind(collector);
    const evaluation = await trainer.withAverage(() => evaluator.evaluate(watched, { signal, watch }));
    if (!evaluation) return undefined;
    const seconds = (performance.now() - began) / 1000;
    state.evalSeconds += seconds;
    const { loss, metrics, count } = evaluation;
    // after a restore, the evaluated weights are those of an earlier step
    const { step, epoch } = state.restored ?? position;
    const document = collector.document({ step, epoch, ...evaluation });
    return { metrics: { loss, ...metrics }, count, seconds, document };
  }

  /**
   * Evaluates the weights themselves in a run that is evaluated with their average, and logs the
   * metrics. Returns false if the evaluation was interrupted.
   */
  private async evaluateTrained(
    evaluator: Evaluator,
    name: 'validation' | 'test',
    split: Split,
    position: Position,
  ): Promise<boolean> {
    const { state, events, signal } = this.parts;
    const began = performance.now();
    const evaluation = await evaluator.evaluate(split, { signal });
    if (!evaluation) return false;
    const { loss, metrics, count: samples } = evaluation;
    const seconds = (performance.now() - began) / 1000;
    state.evalSeconds += seconds;
    const restored = state.restored && { restored_step: state.restored.step };
    events.evaluation(
      'eval.trained',
      name,
      position,
      { loss, ...metrics },
      { samples, seconds, ...restored },
    );
    return true;
  }

  /**
   * Writes evaluation.json, always before a checkpoint: a run that resumes from one then has the
   * evaluations up to it and repeats the later ones.
   */
  private async writeEvaluation(): Promise<void> {
    const { unwritten } = this;
    if (!unwritten) return;
    const { directory, events } = this.parts;
    await retryWrite(
      () => directory.writeEvaluation(unwritten),
      message => events.warning('evaluation/retry', message),
    );
    this.unwritten = undefined;
  }

  private logEvaluation(
    split: 'validation' | 'test',
    position: Position,
    { metrics, count, seconds }: SplitResult,
  ): void {
    const { state, events, observer } = this.parts;
    const restored = state.restored && { restored_step: state.restored.step };
    events.evaluation('eval', split, position, metrics, { samples: count, seconds, ...restored });
    const { step, epoch } = position;
    observer.evaluated({
      split,
      step,
      epoch,
      metrics,
      left: split === 'test' && this.decidingSplit !== 'test' ? 0 : this.evaluationsAfter(position),
      text: evaluationSentence(split, state.restored ?? position, state.metrics),
    });
    const odd = notFiniteMetrics(split, metrics);
    if (odd !== '') events.notFinite(position, `step ${position.step}: ${odd} is not finite`, observer);
  }

  private async warmEvaluator(): Promise<Evaluator> {
    if (!this.evaluator) {
      const { loaded, trainer } = this.parts;
      this.evaluator = trainer.evaluator(loaded.experiment.training.eval_batch_size);
      await this.evaluator.warmUp();
    }
    return this.evaluator;
  }

  private async calibrateWhereDue(): Promise<void> {
    const { state, trainer } = this.parts;
    const { calibration, stepTimes } = state;
    if (calibration.isDue(stepTimes.count, stepTimes.total))
      await calibration.measure(() => trainer.calibrate());
  }

  /**
   * Number of evaluations left: one after each epoch, including a partial last one, those of
   * `evaluateEvery` in between, and a final one of the test split.
   */
  private evaluationsAfter({ step }: Position): number {
    const { totalSteps, batchesPerEpoch, evaluateEvery = Number.POSITIVE_INFINITY } = this.plan;
    const atEpochs = Math.ceil((totalSteps - step) / batchesPerEpoch);
    const between = Math.floor(totalSteps / evaluateEvery) - Math.floor(step / evaluateEvery);
    return atEpochs + between + (this.decidingSplit === 'test' ? 0 : 1);
  }

  private async saveWhereDue({ step, epochEnded }: Position): Promise<void> {
    const { loaded, state, checkpoints } = this.parts;
    const { every, metric } = loaded.experiment.checkpoint;
    const value = metricValue(state.metrics, metric) ?? null;
    const isLast = step === this.plan.totalSteps || this.isFinished;
    const due = isLast || (every === 'epoch' && epochEnded) || checkpoints.isDue(step);
    if (due || (value !== null && checkpoints.wouldBeBest(value)))
      await this.save({ value, temporary: false });
  }

  private async save(options: SaveOptions): Promise<void> {
    await this.writeEvaluation();
    await this.parts.checkpoints.save(options);
    this.parts.observer.saved();
  }

  private reportFallbacks(): void {
    const { trainer, events, observer } = this.parts;
    const { fallbacks, refuted } = trainer.execution;
    for (const fallback of fallbacks) events.warn('engine/fallback', fallbackSentence(fallback), observer);
    if (refuted !== undefined) events.warn('engine/width', refutedSentence(refuted), observer);
  }
}
