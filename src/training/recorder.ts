/** Turns what happens in a run into events, checkpoints, the summary and sentences for the reader. */
import type { LoadedExperiment } from '../config/index.js';
import type { BatchOrder } from '../data/index.js';
import { EXECUTORS } from '../engine/executable.js';
import { EXIT, type ExitCode } from '../errors.js';
import type { RunStatus } from '../experiment/events.js';
import { judgeGates, type Metrics, metricValue } from '../experiment/gates.js';
import type { EventLog } from '../experiment/logger.js';
import { versions } from '../experiment/machine.js';
import type { RunDirectory } from '../experiment/run-directory.js';
import type { Summary } from '../experiment/summary.js';
import { losses } from '../losses/index.js';
import type { Evaluator } from './evaluator.js';
import type { EpochReport, LoopEnd, Position, StepReport } from './loop.js';
import type { RunObserver, RunResult } from './run.js';
import { RunCheckpoints } from './run-checkpoints.js';
import type { Session } from './session.js';
import type { Trainer } from './trainer.js';

export class Recorder {
  private readonly began = performance.now();
  private readonly checkpoints: RunCheckpoints;
  private trainer: Trainer | undefined;
  private evaluator: Evaluator | undefined;
  private totalSteps = 0;
  /** Of the last step that changed the parameters. */
  private position: Position | undefined;
  private metrics: Metrics = { train: {}, test: {} };
  private trainSeconds = 0;
  private evalSeconds = 0;
  private readonly stepSeconds: number[] = [];
  private sinceLog = { samples: 0, seconds: 0 };

  constructor(
    private readonly loaded: LoadedExperiment,
    private readonly session: Session,
    private readonly directory: RunDirectory,
    private readonly log: EventLog,
    private readonly observer: RunObserver,
    private readonly signal: AbortSignal,
  ) {
    this.checkpoints = new RunCheckpoints(loaded, directory, log);
  }

  started(dataSeconds: number): void {
    const { experiment, hash } = this.loaded;
    const { train, test, inputSize, sequenceLength } = this.session.dataset;
    const { targets } = train;
    this.log.emit({
      event: 'run.start',
      run_id: this.directory.id,
      name: experiment.name,
      seed: experiment.seed,
      config_hash: hash,
      version: versions().cellrun,
    });
    this.log.emit({
      event: 'data.ready',
      train_count: train.count,
      test_count: test.count,
      input_size: inputSize,
      sequence_length: sequenceLength,
      num_classes: targets.kind === 'class' ? this.session.spec.outputSize : null,
      duration_s: dataSeconds,
    });
  }

  training(trainer: Trainer, order: BatchOrder, totalSteps: number): void {
    this.trainer = trainer;
    this.totalSteps = totalSteps;
    const { droppedPerEpoch } = order;
    if (droppedPerEpoch > 0) {
      this.warn('data/dropped', `each epoch leaves out ${droppedPerEpoch} sequences: last_batch is 'drop'`);
    }
  }

  async step(report: StepReport): Promise<void> {
    const { step, epoch, loss, learningRate, gradientNorm, samples, seconds } = report;
    const { log_every } = this.loaded.experiment.training;
    this.position = report;
    this.trainSeconds += seconds;
    this.stepSeconds.push(seconds);
    this.sinceLog = { samples: this.sinceLog.samples + samples, seconds: this.sinceLog.seconds + seconds };
    if (step === 1) this.reportFallbacks();
    if (step === 1 || step % log_every === 0 || step === this.totalSteps) {
      this.log.emit({
        event: 'train.step',
        epoch,
        step,
        loss,
        learning_rate: learningRate,
        grad_norm: gradientNorm,
        samples_per_s: this.sinceLog.samples / this.sinceLog.seconds,
      });
      this.sinceLog = { samples: 0, seconds: 0 };
    }
    this.observer.step({ epoch, step, samples, loss });
    // at an epoch's end the checkpoint waits for the evaluation
    if (!report.epochEnded && this.checkpoints.isDue(step)) this.save(null);
  }

  /** Evaluates and saves; gives whether to go on, which is not so where the run was asked to stop. */
  async epoch(report: EpochReport): Promise<boolean> {
    const { epoch, step, loss, samples, seconds, epochEnded } = report;
    this.position = report;
    this.metrics = { ...this.metrics, train: { loss } };
    if (epochEnded) this.log.emit({ event: 'train.epoch', epoch, step, loss, samples, duration_s: seconds });
    if (!(await this.evaluate())) {
      this.save(null);
      return false;
    }
    const { every, metric } = this.loaded.experiment.checkpoint;
    const value = metricValue(this.metrics, metric) ?? null;
    const due = every === 'epoch' || step === this.totalSteps || this.checkpoints.isDue(step);
    if (due || (value !== null && this.checkpoints.wouldBeBest(value))) this.save(value);
    return true;
  }

  finished(end: LoopEnd): RunResult {
    if (end.status === 'diverged') return this.diverged(end);
    if (end.status === 'interrupted') {
      const message = `interrupted after step ${this.position?.step}; the checkpoint of that step is saved`;
      return this.conclude('interrupted', EXIT.interrupted, message);
    }
    const gates = this.judge();
    const missed = gates.filter(gate => gate.verdict !== 'passed');
    const message = missed.length > 0 ? `${missed.length} of ${gates.length} gates not passed` : undefined;
    return this.conclude('completed', missed.length > 0 ? EXIT.gate : EXIT.done, message);
  }

  failed(exitCode: ExitCode, message: string): void {
    this.conclude('failed', exitCode, message.split('\n')[0]);
  }

  /** Whether the evaluation came to its end. */
  private async evaluate(): Promise<boolean> {
    const { dataset, run } = this.session;
    const { eval_batch_size } = this.loaded.experiment.training;
    this.evaluator ??= (this.trainer as Trainer).evaluator(eval_batch_size);
    const began = performance.now();
    const evaluation = await this.evaluator.evaluate(dataset.test, this.signal);
    if (!evaluation) return false;
    const { loss, metric, count } = evaluation;
    const seconds = (performance.now() - began) / 1000;
    this.evalSeconds += seconds;
    const named = { [losses[run.loss].metric.name]: metric };
    this.metrics = { ...this.metrics, test: { loss, ...named } };
    const { epoch, step } = this.position as Position;
    this.log.emit({
      event: 'eval',
      split: 'test',
      epoch,
      step,
      loss,
      ...named,
      samples: count,
      duration_s: seconds,
    });
    this.observer.line(
      `epoch ${epoch}  step ${step}  train loss ${this.metrics.train.loss?.toPrecision(4)}  ${this.testSentence()}`,
    );
    return true;
  }

  private testSentence(): string {
    const { loss, accuracy, mean_absolute_error } = this.metrics.test;
    const metric =
      accuracy === undefined
        ? `test mean absolute error ${mean_absolute_error?.toPrecision(4)}`
        : `test accuracy ${(100 * accuracy).toFixed(2)} %`;
    return `test loss ${loss?.toPrecision(4)}  ${metric}`;
  }

  private save(value: number | null): void {
    this.checkpoints.save(this.trainer as Trainer, this.position as Position, this.metrics, value);
  }

  private judge() {
    const gates = judgeGates(this.loaded.experiment.gates, this.metrics);
    for (const { metric, min, max, value, verdict } of gates) {
      const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
      this.log.emit({ event: 'gate', metric, value, ...bounds, verdict });
    }
    return gates;
  }

  private diverged({ step, epoch, loss, gradientNorm }: Extract<LoopEnd, { status: 'diverged' }>): RunResult {
    if (this.position) this.save(null);
    const learning_rate = this.loaded.experiment.optimizer.learning_rate;
    this.log.emit({
      event: 'train.step',
      epoch,
      step,
      loss,
      learning_rate,
      grad_norm: gradientNorm,
      samples_per_s: 0,
    });
    const what = !Number.isFinite(loss)
      ? `the loss is ${loss}`
      : Number.isFinite(gradientNorm)
        ? 'the update would leave the range of float32'
        : `the gradient norm is ${gradientNorm}`;
    const message = `training diverged at step ${step}: ${what}; the parameters are those of the step before`;
    return this.conclude('diverged', EXIT.diverged, message);
  }

  private reportFallbacks(): void {
    for (const { source, reason } of (this.trainer as Trainer).execution.fallbacks) {
      this.warn('engine/fallback', `a kernel runs gpu.js's own code (${reason}): ${source.split('\n')[0]}`);
    }
  }

  private warn(code: string, message: string): void {
    this.log.emit({ event: 'warning', code, message });
    this.observer.line(`warning: ${message}`);
  }

  private conclude(status: RunStatus, exitCode: ExitCode, message: string | undefined): RunResult {
    const duration = (performance.now() - this.began) / 1000;
    const summary = this.directory.writeSummary(this.summary(status, exitCode, duration, message));
    const { step = 0, epochsDone = 0 } = this.position ?? {};
    const told = message === undefined ? {} : { message };
    this.log.emit({
      event: 'run.end',
      status,
      exit_code: exitCode,
      epochs: epochsDone,
      steps: step,
      duration_s: duration,
      ...told,
    });
    return { exitCode, summary };
  }

  private summary(
    status: RunStatus,
    exitCode: ExitCode,
    duration: number,
    message: string | undefined,
  ): Summary {
    const { experiment, hash } = this.loaded;
    const { choice } = this.session;
    const gates = status === 'completed' ? judgeGates(experiment.gates, this.metrics) : [];
    return {
      version: 1,
      run_id: this.directory.id,
      name: experiment.name,
      ...(experiment.description !== undefined && { description: experiment.description }),
      status,
      exit_code: exitCode,
      ...(message !== undefined && { message }),
      directory: this.directory.path,
      config_hash: hash,
      backend: choice.backend,
      executor: EXECUTORS[choice.backend],
      seed: experiment.seed,
      steps: this.position?.step ?? 0,
      epochs: this.position?.epochsDone ?? 0,
      metrics: this.metrics,
      gates,
      duration_s: duration,
      train_s: this.trainSeconds,
      eval_s: this.evalSeconds,
      ms_per_step: medianMilliseconds(this.stepSeconds),
      parameters: this.trainer?.layout.size ?? 0,
      peak_rss_mb: process.resourceUsage().maxRSS / 1024,
      ...this.checkpoints.summary(),
    };
  }
}

function medianMilliseconds(seconds: readonly number[]): number | null {
  if (seconds.length === 0) return null;
  const sorted = [...seconds].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return 1000 * (sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2);
}
