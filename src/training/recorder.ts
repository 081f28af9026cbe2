/** What follows a training step and an epoch: events, evaluation, checkpoints, and what the observer is told. */
import type { LoadedExperiment } from '../config/index.js';
import type { TestEvaluation } from '../experiment/evaluation.js';
import { metricValue } from '../experiment/gates.js';
import type { RunDirectory } from '../experiment/run-directory.js';
import type { SplitMetrics } from '../experiment/summary.js';
import { losses } from '../losses/index.js';
import { evaluationCollector } from './evaluation-collector.js';
import type { Evaluator } from './evaluator.js';
import type { EpochReport, LoopEnd, Position, StepReport } from './loop.js';
import type { RunObserver } from './observer.js';
import { persist } from './persist.js';
import type { RunCheckpoints, SaveOptions } from './run-checkpoints.js';
import type { RunEvents } from './run-events.js';
import type { RunState } from './run-state.js';
import { evaluationSentence, fallbackSentence, notFiniteMetrics, skippedSentence } from './sentences.js';
import type { Session } from './session.js';
import type { Trainer } from './trainer.js';
import { watchedSplit } from './watched-split.js';

/** How much there is to do. */
export interface RecorderPlan {
  readonly totalSteps: number;
  readonly batchesPerEpoch: number;
}

/** What a run is made of; each belongs to whoever made it. */
export interface RunParts {
  readonly loaded: LoadedExperiment;
  readonly session: Session;
  readonly directory: RunDirectory;
  readonly trainer: Trainer;
  readonly state: RunState;
  readonly events: RunEvents;
  readonly checkpoints: RunCheckpoints;
  readonly observer: RunObserver;
  /** Aborted where the run is to stop. */
  readonly signal: AbortSignal;
}

interface TestResult {
  readonly metrics: SplitMetrics;
  /** Predictions that counted. */
  readonly count: number;
  readonly seconds: number;
  /** All of it. */
  readonly document: TestEvaluation;
}

export class Recorder {
  /** Made after the first step, which nothing is to delay. */
  private evaluator: Evaluator | undefined;
  private stepped = false;
  /** The latest evaluation, where its file is not yet written. */
  private unwritten: TestEvaluation | undefined;

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
    if (!this.stepped) {
      this.stepped = true;
      await this.warmEvaluator();
      this.reportFallbacks();
    }
    if (!report.updated) events.skipped(report, skippedSentence(report, loaded), observer);
    if (this.isLogged(step)) events.step(report, state.stepTimes.takeRate());
    observer.step({ epoch, step, samples, ...(report.updated && { loss: report.loss }) });
    // at an epoch's end the checkpoint waits for the evaluation
    if (!report.epochEnded && checkpoints.isDue(step)) await this.save({ value: null, temporary: false });
    await this.calibrateWhereDue();
  }

  /** Evaluates and saves; gives whether to go on, which is not so where the run was asked to stop. */
  async epoch(report: EpochReport): Promise<boolean> {
    const { state, events } = this.parts;
    if (report.epochEnded) events.epoch(report);
    const test = await this.evaluate(report);
    if (!test) return false;
    // the mean of no batch at all is none
    const train: SplitMetrics = report.samples > 0 ? { loss: report.loss } : {};
    state.metrics = { train, test: test.metrics };
    if (report.epochEnded) state.best.add('train.loss', train.loss);
    for (const [name, value] of Object.entries(test.metrics)) state.best.add(`test.${name}`, value);
    state.evaluated = true;
    this.unwritten = test.document;
    this.tellEvaluation(report, test);
    await this.saveWhereDue(report);
    return true;
  }

  /** Saves what is to be gone on from. */
  async interrupted(): Promise<void> {
    await this.save({ value: null, temporary: true });
  }

  /** The step at `end` was not made: what is saved is the one before. */
  async diverged(end: Extract<LoopEnd, { status: 'diverged' }>): Promise<void> {
    const { events } = this.parts;
    await this.save({ value: null, temporary: true });
    events.step(end, 0);
  }

  private isLogged(step: number): boolean {
    const { log_every } = this.parts.loaded.experiment.training;
    return step === 1 || step % log_every === 0 || step === this.plan.totalSteps;
  }

  /** Undefined where the run was asked to stop before the evaluation came to its end. */
  private async evaluate(position: Position): Promise<TestResult | undefined> {
    const { session, state, observer, signal } = this.parts;
    const evaluator = await this.warmEvaluator();
    const began = performance.now();
    const test = watchedSplit(session.dataset.test, progress => observer.evaluating(progress));
    const collector = evaluationCollector(session.run, session.dataset);
    const watch = collector.add.bind(collector);
    const evaluation = await evaluator.evaluate(test, { signal, watch });
    if (!evaluation) return undefined;
    const seconds = (performance.now() - began) / 1000;
    state.evalSeconds += seconds;
    const { loss, metric, count } = evaluation;
    const metrics = { loss, [losses[session.run.loss].metric.name]: metric };
    return { metrics, count, seconds, document: collector.document({ ...position, ...evaluation }) };
  }

  /** Comes before each checkpoint: a run that goes on from one finds the evaluations up to there, and makes those after it again. */
  private async writeEvaluation(): Promise<void> {
    const { unwritten } = this;
    if (!unwritten) return;
    const { directory, events } = this.parts;
    await persist(
      () => directory.writeEvaluation(unwritten),
      message => events.warning('evaluation/retry', message),
    );
    this.unwritten = undefined;
  }

  private tellEvaluation(position: Position, { metrics, count, seconds }: TestResult): void {
    const { state, events, observer } = this.parts;
    events.evaluation(position, metrics, count, seconds);
    observer.evaluated({ left: this.evaluationsAfter(position.step) });
    observer.line(evaluationSentence(position, state.metrics));
    const odd = notFiniteMetrics(metrics);
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

  /** One follows each epoch, and the part of one that is left at the end. */
  private evaluationsAfter(step: number): number {
    return Math.ceil((this.plan.totalSteps - step) / this.plan.batchesPerEpoch);
  }

  private async saveWhereDue({ step }: Position): Promise<void> {
    const { loaded, state, checkpoints } = this.parts;
    const { every, metric } = loaded.experiment.checkpoint;
    const value = metricValue(state.metrics, metric) ?? null;
    const due = every === 'epoch' || step === this.plan.totalSteps || checkpoints.isDue(step);
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
    for (const fallback of trainer.execution.fallbacks) {
      events.warn('engine/fallback', fallbackSentence(fallback), observer);
    }
  }
}
