/**
 * Records what happens in training: events, evaluations, checkpoints, and what an observer sees.
 */
import type { LoadedExperiment } from '../config/index.js';
import type { RunDirectory } from '../run/directory.js';
import type { SplitEvaluation } from '../run/evaluation.js';
import { metricValue } from '../run/gates.js';
import type { SplitMetrics, Summary } from '../run/summary.js';
import type { ExitCode } from '../util/errors.js';
import { type RunCheckpoints, retryWrite, type SaveOptions } from './checkpoints.js';
import type { RunEvents } from './events.js';
import type {
  EpochReport,
  EvaluationReport,
  Position,
  StepReport,
  TrainedWeightsReport,
  TrainingEvent,
  TrainingState,
} from './loop.js';
import {
  earlyStopSentence,
  evaluationSentence,
  notFiniteMetrics,
  refutedSentence,
  skippedSentence,
} from './messages.js';
import type { RunLength } from './plan.js';
import type { Session } from './session.js';
import type { Trainer } from './trainer.js';

/** The parts of a run. Each is closed by its creator. */
export interface RunParts {
  readonly loaded: LoadedExperiment;
  readonly session: Session;
  readonly directory: RunDirectory;
  readonly trainer: Trainer;
  readonly state: TrainingState;
  readonly events: RunEvents;
  readonly checkpoints: RunCheckpoints;
  readonly observer: RunObserver;
  /** Interval between logged steps. */
  readonly logEvery: number;
}

/** Maximum number of skipped batches that the user sees one by one. */
const MAX_SKIP_WARNINGS = 5;

export class Recorder {
  private stepped = false;
  private skips = 0;
  /** The latest evaluation, until its file is written. */
  private unwritten: SplitEvaluation | undefined;

  constructor(
    private readonly parts: RunParts,
    private readonly length: RunLength,
  ) {}

  /** @throws UserError (exit 1) if a file cannot be written */
  async record(event: TrainingEvent): Promise<void> {
    const { events, observer, loaded } = this.parts;
    switch (event.kind) {
      case 'step':
        return this.step(event);
      case 'epoch':
        if (event.epochEnded) this.epoch(event);
        return;
      case 'progress':
        return observer.evaluating({ done: event.done, total: event.total });
      case 'trained weights':
        return this.logEvaluation('eval.trained', event);
      case 'evaluation':
        return this.evaluation(event);
      case 'early stop': {
        const { min_delta = 0 } = loaded.experiment.training.early_stopping ?? {};
        return observer.line(earlyStopSentence(event.position, event.stop, min_delta));
      }
      case 'end':
        if (event.status !== 'completed') await this.interrupted();
        if (event.status === 'diverged') events.step(event, undefined);
    }
  }

  /** Saves a checkpoint to resume from: the state before a step that failed. */
  async interrupted(): Promise<void> {
    await this.save({ value: null, temporary: true });
  }

  private async step(report: StepReport): Promise<void> {
    const { step, epoch, samples, seconds } = report;
    const { state, events, observer, checkpoints, trainer } = this.parts;
    const { stepTimes, calibration } = state;
    stepTimes.add(samples, seconds);
    if (!report.updated) this.skipped(report);
    if (this.isLogged(report)) events.step(report, stepTimes.takeRate());
    if (!this.stepped) {
      this.stepped = true;
      if (trainer.refuted !== undefined)
        events.warn('engine/width', refutedSentence(trainer.refuted), observer);
    }
    observer.step({ epoch, step, samples, ...(report.updated && { loss: report.loss }) });
    // if an evaluation is due, the checkpoint is saved after it
    if (!report.evaluationIsDue && checkpoints.isDue(step))
      await this.save({ value: null, temporary: false });
    if (calibration.isDue(stepTimes.count, stepTimes.total))
      await calibration.measure(() => trainer.calibrate());
  }

  /** Logs a skipped batch; the user sees the first few. */
  private skipped(report: StepReport): void {
    const { loaded, events, observer } = this.parts;
    const message = skippedSentence(report, loaded);
    const { epoch, step, loss, gradientNorm: grad_norm } = report;
    events.warning('training/skipped', message, { epoch, step, loss, grad_norm });
    this.skips += 1;
    if (this.skips <= MAX_SKIP_WARNINGS) observer.warning(message);
    if (this.skips === MAX_SKIP_WARNINGS + 1)
      observer.warning('more batches are skipped; log.jsonl lists all of them');
  }

  private epoch({ epoch, step, loss, metrics, samples, seconds }: EpochReport): void {
    const { state, events } = this.parts;
    events.emit({ event: 'train.epoch', epoch, step, loss, ...metrics, samples, duration_s: seconds });
    // without any trained batch there is no mean
    if (samples === 0) return;
    for (const [name, value] of Object.entries({ loss, ...metrics })) state.best.add(`train.${name}`, value);
  }

  private async evaluation(report: EvaluationReport): Promise<void> {
    const { state, events } = this.parts;
    const { split, position, metrics, stop } = report;
    const { epoch, step } = position;
    this.unwritten = report.document;
    if (report.stage === 'training') {
      for (const [name, value] of Object.entries(metrics)) state.best.add(`${split}.${name}`, value);
      this.warnOfUndefined(position);
    }
    this.logEvaluation('eval', report);
    this.observe(report);
    if (stop) events.emit({ event: 'early_stop', epoch, step, ...stop });
    if (report.stage === 'training') await this.saveIfDue(report);
    else await this.writeEvaluation();
  }

  private logEvaluation(
    event: 'eval' | 'eval.trained',
    { split, position, metrics, samples, seconds }: EvaluationReport | TrainedWeightsReport,
  ): void {
    const { state, events } = this.parts;
    const { epoch, step } = position;
    const { loss, ...others } = metrics;
    const restored = state.restored && { restored_step: state.restored.step };
    state.evalSeconds += seconds;
    events.emit({ event, split, epoch, step, loss, ...others, samples, ...restored, duration_s: seconds });
  }

  private observe({ split, position, metrics, stage }: EvaluationReport): void {
    const { state, events, observer } = this.parts;
    const { step, epoch } = position;
    observer.evaluated({
      split,
      step,
      epoch,
      metrics,
      left: stage === 'end' ? 0 : this.evaluationsAfter(position),
      text: evaluationSentence(split, state.restored ?? position, state.metrics),
    });
    const odd = notFiniteMetrics(split, metrics);
    if (odd === '') return;
    events.warn('eval/not-finite', `step ${step}: ${odd} is not finite`, observer, { epoch, step });
  }

  /** Warns once about each watched metric that has no value, because it never takes effect. */
  private warnOfUndefined({ step, epoch }: Position): void {
    const { state, events, observer } = this.parts;
    for (const metric of state.history.metrics) {
      if (metricValue(state.metrics, metric) !== undefined || state.history.of(metric).length > 1) continue;
      const message = `${metric} has no value on this split, so it cannot select a checkpoint`;
      events.warn('eval/undefined', message, observer, { epoch, step });
    }
  }

  /** The last step is always logged, and training may stop early after any evaluation. */
  private isLogged({ step, evaluationIsDue }: StepReport): boolean {
    const { loaded, logEvery } = this.parts;
    const mayBeLast = evaluationIsDue && loaded.experiment.training.early_stopping !== undefined;
    return step === 1 || step % logEvery === 0 || step === this.length.totalSteps || mayBeLast;
  }

  /**
   * Number of evaluations left: one after each epoch, including a partial last one, those of
   * `evaluate_every` in between, and a final one of the test split.
   */
  private evaluationsAfter({ step }: Position): number {
    const { loaded, session } = this.parts;
    const { totalSteps, batchesPerEpoch } = this.length;
    const every = loaded.experiment.training.evaluate_every?.steps ?? Number.POSITIVE_INFINITY;
    const atEpochs = Math.ceil((totalSteps - step) / batchesPerEpoch);
    const between = Math.floor(totalSteps / every) - Math.floor(step / every);
    return atEpochs + between + (session.dataset.validation ? 1 : 0);
  }

  private async saveIfDue({ position, isLast }: EvaluationReport): Promise<void> {
    const { loaded, state, checkpoints } = this.parts;
    const { every, metric } = loaded.experiment.checkpoint;
    const value = metricValue(state.metrics, metric) ?? null;
    const due = isLast || (every === 'epoch' && position.epochEnded) || checkpoints.isDue(position.step);
    if (due || (value !== null && checkpoints.wouldBeBest(value)))
      await this.save({ value, temporary: false });
  }

  private async save(options: SaveOptions): Promise<void> {
    await this.writeEvaluation();
    await this.parts.checkpoints.save(options);
    this.parts.observer.saved();
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
}

/** Callbacks during a run, in the order of events. An exception in one ends the run. */
export interface RunObserver {
  /**
   * Training starts: `totalSteps` optimizer steps over `numEpochs` epochs. From now on, the run in
   * `directory` can be resumed.
   */
  begin(plan: { directory: string; totalSteps: number; numEpochs: number }): void;
  /** A step was completed; `loss` is absent if its batch was skipped. */
  step(step: { epoch: number; step: number; samples: number; loss?: number }): void;
  /** Called after each batch of an evaluation, with the sequences evaluated so far. */
  evaluating(progress: { done: number; total: number }): void;
  /** An evaluation of a split has ended. `text` describes it for the user; `left` more follow. */
  evaluated(evaluation: {
    split: 'validation' | 'test';
    step: number;
    epoch: number;
    /** Values by metric, including the loss. */
    metrics: SplitMetrics;
    left: number;
    text: string;
  }): void;
  /** A checkpoint was written. */
  saved(): void;
  /** A problem that does not stop the run. */
  warning(text: string): void;
  /** A sentence for the user. */
  line(text: string): void;
  /** The last call of a run, also after an error. */
  end(): void;
  /**
   * An error has ended the run. `summary` is the content of summary.json, which may not have been
   * written.
   */
  failed(summary: Summary): void;
  /** An error has ended the run in `directory`, which can be resumed once the cause is fixed. */
  resumable(directory: string): void;
}

export interface RunResult {
  readonly exitCode: ExitCode;
  /** The content of summary.json, except that it spells out numbers that are not finite. */
  readonly summary: Summary;
  /** Advice for a run that diverged. */
  readonly advice?: string;
}
