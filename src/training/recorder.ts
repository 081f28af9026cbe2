/** Turns what happens in a run into events, checkpoints, the summary and sentences for the reader. */
import { relative, sep } from 'node:path';
import type { LoadedExperiment } from '../config/index.js';
import type { BatchOrder } from '../data/index.js';
import { EXECUTORS } from '../engine/executable.js';
import { EXIT, type ExitCode } from '../errors.js';
import { bestOf, listCheckpoints } from '../experiment/checkpoint-folder.js';
import { CheckpointStore } from '../experiment/checkpoints.js';
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
import type { Session } from './session.js';
import type { Trainer } from './trainer.js';
import { trainingTensors } from './weights.js';

const NOWHERE: Position = { step: 0, epoch: 0, epochsDone: 0 };

export class Recorder {
  private readonly began = performance.now();
  private readonly store: CheckpointStore;
  private trainer: Trainer | undefined;
  private evaluator: Evaluator | undefined;
  private order: BatchOrder | undefined;
  private totalSteps = 0;
  private position = NOWHERE;
  private metrics: Metrics = { train: {}, test: {} };
  private savedAt = { step: -1, time: performance.now() };
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
  ) {
    const { keep, metric, mode } = loaded.experiment.checkpoint;
    this.store = CheckpointStore.open(directory.files.checkpoints, { keep, metric, mode });
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
    this.order = order;
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
    if (this.isDue(step)) this.save(null);
  }

  async epoch(report: EpochReport): Promise<void> {
    const { epoch, step, loss, samples, seconds, partial, stopped } = report;
    this.position = report;
    this.metrics = { ...this.metrics, train: { loss } };
    if (!partial) {
      this.log.emit({ event: 'train.epoch', epoch, step, loss, samples, duration_s: seconds });
    }
    if (stopped) return this.save(null);
    await this.evaluate();
    const { every, metric } = this.loaded.experiment.checkpoint;
    const value = metricValue(this.metrics, metric) ?? null;
    if (every === 'epoch' || step === this.totalSteps || partial) this.save(value);
  }

  finished(end: LoopEnd): RunResult {
    this.position = end.position;
    if (end.status === 'diverged') return this.diverged(end);
    if (end.status === 'interrupted') {
      const message = `interrupted after step ${end.position.step}; the checkpoint of that step is saved`;
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

  private async evaluate(): Promise<void> {
    const { dataset, run } = this.session;
    const { eval_batch_size } = this.loaded.experiment.training;
    this.evaluator ??= (this.trainer as Trainer).evaluator(eval_batch_size);
    const began = performance.now();
    const { loss, metric, count } = await this.evaluator.evaluate(dataset.test);
    const seconds = (performance.now() - began) / 1000;
    this.evalSeconds += seconds;
    const named = { [losses[run.loss].metric.name]: metric };
    this.metrics = { ...this.metrics, test: { loss, ...named } };
    const { epoch, step } = this.position;
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
  }

  private testSentence(): string {
    const { loss, accuracy, mean_absolute_error } = this.metrics.test;
    const metric =
      accuracy === undefined
        ? `test mean absolute error ${mean_absolute_error?.toPrecision(4)}`
        : `test accuracy ${(100 * accuracy).toFixed(2)} %`;
    return `test loss ${loss?.toPrecision(4)}  ${metric}`;
  }

  private isDue(step: number): boolean {
    const { every } = this.loaded.experiment.checkpoint;
    if (every === 'epoch' || step === this.totalSteps) return false;
    if (every.steps !== undefined) return step % every.steps === 0;
    return every.seconds !== undefined && performance.now() - this.savedAt.time >= every.seconds * 1000;
  }

  /** Saves a checkpoint of this step, unless there is one that knows the metric already. */
  private save(metric: number | null): void {
    const { step, epoch, epochsDone } = this.position;
    if (this.savedAt.step === step && metric === null) return;
    const began = performance.now();
    const { layout, parameters, optimizerState } = this.trainer as Trainer;
    const order = this.order as BatchOrder;
    const saved = this.store.save({
      step,
      epoch: epochsDone,
      tensors: trainingTensors(layout, parameters, optimizerState),
      metadata: {
        config_hash: this.loaded.hash,
        batch_order: { ...order.state, generator: [...order.state.generator] },
        metrics: { train: { ...this.metrics.train }, test: { ...this.metrics.test } },
      },
      metric,
    });
    this.savedAt = { step, time: performance.now() };
    this.log.emit({
      event: 'checkpoint.saved',
      epoch,
      step,
      path: relative(this.directory.path, saved.path).split(sep).join('/'),
      bytes: saved.bytes,
      metric: this.loaded.experiment.checkpoint.metric,
      value: metric,
      best: saved.best,
      duration_s: (performance.now() - began) / 1000,
    });
  }

  private judge() {
    const gates = judgeGates(this.loaded.experiment.gates, this.metrics);
    for (const { metric, min, max, value, verdict } of gates) {
      const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
      this.log.emit({ event: 'gate', metric, value, ...bounds, verdict });
    }
    return gates;
  }

  private diverged({
    loss,
    gradientNorm,
    position: { step, epoch },
  }: Extract<LoopEnd, { status: 'diverged' }>): RunResult {
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
    const what = Number.isFinite(loss) ? `the gradient norm is ${gradientNorm}` : `the loss is ${loss}`;
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
    const { step, epochsDone } = this.position;
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
    const entries = listCheckpoints(this.directory.files.checkpoints);
    const best = bestOf(entries);
    const named = (path: string | undefined) =>
      path === undefined ? null : relative(this.directory.path, path).split(sep).join('/');
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
      steps: this.position.step,
      epochs: this.position.epochsDone,
      metrics: this.metrics,
      best: best
        ? { metric: best.metric.name, value: best.metric.value as number, step: best.step, epoch: best.epoch }
        : null,
      gates,
      duration_s: duration,
      train_s: this.trainSeconds,
      eval_s: this.evalSeconds,
      ms_per_step: medianMilliseconds(this.stepSeconds),
      parameters: this.trainer?.layout.size ?? 0,
      peak_rss_mb: process.resourceUsage().maxRSS / 1024,
      checkpoints: { last: named(entries.at(-1)?.path), best: named(best?.path) },
    };
  }
}

function medianMilliseconds(seconds: readonly number[]): number | null {
  if (seconds.length === 0) return null;
  return 1000 * [...seconds].sort((a, b) => a - b)[seconds.length >> 1];
}
