/** What follows a training step and an epoch: events, evaluation, checkpoints, and what the observer is told. */
import type { LoadedExperiment } from '../config/index.js';
import { metricValue } from '../experiment/gates.js';
import { losses } from '../losses/index.js';
import type { Evaluator } from './evaluator.js';
import type { EpochReport, LoopEnd, Position, StepReport } from './loop.js';
import type { RunObserver } from './observer.js';
import type { RunCheckpoints } from './run-checkpoints.js';
import type { RunEvents } from './run-events.js';
import type { RunState } from './run-state.js';
import { evaluationSentence, fallbackSentence } from './sentences.js';
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
  readonly trainer: Trainer;
  readonly state: RunState;
  readonly events: RunEvents;
  readonly checkpoints: RunCheckpoints;
  readonly observer: RunObserver;
  /** Aborted where the run is to stop. */
  readonly signal: AbortSignal;
}

export class Recorder {
  /** Made after the first step, which nothing is to delay. */
  private evaluator: Evaluator | undefined;

  constructor(
    private readonly parts: RunParts,
    private readonly plan: RecorderPlan,
  ) {}

  async step(report: StepReport): Promise<void> {
    const { step, epoch, loss, samples, seconds } = report;
    const { loaded, trainer, state, events, observer, checkpoints } = this.parts;
    state.position = report;
    state.stepTimes.add(samples, seconds);
    if (!this.evaluator) {
      this.evaluator = trainer.evaluator(loaded.experiment.training.eval_batch_size);
      await this.evaluator.warmUp();
      this.reportFallbacks();
    }
    if (this.isLogged(step)) events.step(report, state.stepTimes.takeRate());
    observer.step({ epoch, step, samples, loss });
    // at an epoch's end the checkpoint waits for the evaluation
    if (!report.epochEnded && checkpoints.isDue(step)) this.save(null);
  }

  /** Evaluates and saves; gives whether to go on, which is not so where the run was asked to stop. */
  async epoch(report: EpochReport): Promise<boolean> {
    const { state, events } = this.parts;
    state.position = report;
    state.metrics = { ...state.metrics, train: { loss: report.loss } };
    if (report.epochEnded) events.epoch(report);
    const evaluated = await this.evaluate(report);
    if (evaluated) this.saveWhereDue(report);
    else this.save(null);
    return evaluated;
  }

  /** The step at `end` was not made: what is saved is the one before. */
  diverged(end: Extract<LoopEnd, { status: 'diverged' }>): void {
    const { loaded, events } = this.parts;
    this.save(null);
    events.step({ ...end, learningRate: loaded.experiment.optimizer.learning_rate }, 0);
  }

  private isLogged(step: number): boolean {
    const { log_every } = this.parts.loaded.experiment.training;
    return step === 1 || step % log_every === 0 || step === this.plan.totalSteps;
  }

  /** Whether the evaluation came to its end. */
  private async evaluate(position: Position): Promise<boolean> {
    const { session, state, events, observer, signal } = this.parts;
    const began = performance.now();
    const test = watchedSplit(session.dataset.test, progress => observer.evaluating(progress));
    const evaluation = await (this.evaluator as Evaluator).evaluate(test, signal);
    if (!evaluation) return false;
    const seconds = (performance.now() - began) / 1000;
    const { loss, metric, count } = evaluation;
    state.evalSeconds += seconds;
    state.metrics = { ...state.metrics, test: { loss, [losses[session.run.loss].metric.name]: metric } };
    events.evaluation(position, state.metrics.test, count, seconds);
    observer.evaluated({ left: this.evaluationsAfter(position.step) });
    observer.line(evaluationSentence(position, state.metrics));
    return true;
  }

  /** One follows each epoch, and the part of one that is left at the end. */
  private evaluationsAfter(step: number): number {
    return Math.ceil((this.plan.totalSteps - step) / this.plan.batchesPerEpoch);
  }

  private saveWhereDue({ step }: Position): void {
    const { loaded, state, checkpoints } = this.parts;
    const { every, metric } = loaded.experiment.checkpoint;
    const value = metricValue(state.metrics, metric) ?? null;
    const due = every === 'epoch' || step === this.plan.totalSteps || checkpoints.isDue(step);
    if (due || (value !== null && checkpoints.wouldBeBest(value))) this.save(value);
  }

  private save(value: number | null): void {
    this.parts.checkpoints.save(value);
    this.parts.observer.saved();
  }

  private reportFallbacks(): void {
    const { trainer, events, observer } = this.parts;
    for (const fallback of trainer.execution.fallbacks) {
      const message = fallbackSentence(fallback);
      events.warning('engine/fallback', message);
      observer.line(`warning: ${message}`);
    }
  }
}
