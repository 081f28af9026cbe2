/** Writes the events of a run to its log. */
import type { LoadedExperiment } from '../config/index.js';
import { inputWidth } from '../data/index.js';
import { EXECUTORS } from '../engine/executable.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { EventLog } from '../run/event-log.js';
import type { EventFields, RunEvent } from '../run/events.js';
import type { CutLog } from '../run/log.js';
import { versions } from '../run/manifest.js';
import type { RunTimes } from '../run/run-times.js';
import type { Summary } from '../run/summary.js';
import type { Position, StepReport } from './loop.js';
import { stepCosts } from './profile.js';
import type { RunObserver } from './recorder.js';
import type { Session } from './session.js';

export type LoggedStep = Pick<StepReport, 'epoch' | 'step' | 'loss' | 'learningRate' | 'gradientNorm'>;

export interface LoggedCheckpoint {
  readonly path: string;
  readonly bytes: number;
  readonly value: number | null;
  readonly best: boolean;
  readonly temporary: boolean;
  readonly seconds: number;
}

type WarningPlace = Omit<EventFields['warning'], 'code' | 'message'>;

export class RunEvents {
  private constructor(
    private readonly log: EventLog,
    private readonly loaded: LoadedExperiment,
    private readonly session: Session,
  ) {}

  /**
   * Opens the log at `path`, which has `seq` events, for appending. Every method that logs an event
   * throws the same error.
   * @throws UserError (exit 1) if the log cannot be written
   */
  static open(path: string, loaded: LoadedExperiment, session: Session, seq = 0): RunEvents {
    return new RunEvents(EventLog.open(path, { seq }), loaded, session);
  }

  /**
   * Flushes every event to disk.
   * @throws UserError (exit 1) if this fails
   */
  flush(): void {
    this.log.flush();
  }

  /** Digest over all events so far. */
  digest(): ReturnType<EventLog['digest']> {
    return this.log.digest();
  }

  close(): void {
    this.log.close();
  }

  emit(event: RunEvent): void {
    this.log.emit(event);
  }

  started(runId: string): void {
    const { experiment, hash } = this.loaded;
    this.log.emit({
      event: 'run.start',
      run_id: runId,
      name: experiment.name,
      seed: experiment.seed,
      config_hash: hash,
      version: versions().cellrun,
    });
  }

  /** `before` are the run's times up to this resume. */
  resumed(
    runId: string,
    step: number,
    { replaced, replacedFile }: CutLog,
    { changes, before }: { readonly changes: readonly string[]; readonly before: RunTimes },
  ): void {
    this.log.emit({
      event: 'run.resume',
      run_id: runId,
      step,
      config_hash: this.loaded.hash,
      version: versions().cellrun,
      replaced_records: replaced,
      replaced_file: replacedFile,
      changes: changes.length > 0 ? changes.join('; ') : null,
      ...before,
    });
  }

  /** `seconds` is the time to read the data. */
  dataReady(seconds: number): void {
    const { dataset, spec } = this.session;
    const { train, validation, test, input, sequenceLength } = dataset;
    this.log.emit({
      event: 'data.ready',
      train_count: train.count,
      ...(validation && { validation_count: validation.count }),
      test_count: test.count,
      input_size: inputWidth(input),
      sequence_length: sequenceLength,
      num_classes: train.targets.kind === 'class' ? spec.outputSize : null,
      duration_s: seconds,
    });
  }

  compiled(): void {
    const { choice, run, spec } = this.session;
    const began = performance.now();
    const costs = stepCosts(run, this.loaded.experiment.training.batch_size);
    this.log.emit({
      event: 'graph.compiled',
      backend: choice.backend,
      backend_reason: choice.reason,
      executor: EXECUTORS[choice.backend],
      parameters: new ParameterLayout(spec).size,
      nodes: costs.nodes,
      kernels_per_step: costs.kernels,
      flops_per_step: costs.flops,
      bytes: costs.bytes,
      duration_s: (performance.now() - began) / 1000,
    });
  }

  /** `samplesPerSecond` is undefined if no step was measured since the previous event. */
  step(report: LoggedStep, samplesPerSecond: number | undefined): void {
    const { epoch, step, loss, learningRate, gradientNorm } = report;
    this.log.emit({
      event: 'train.step',
      epoch,
      step,
      loss,
      learning_rate: learningRate,
      grad_norm: gradientNorm,
      ...(samplesPerSecond !== undefined && { samples_per_s: samplesPerSecond }),
    });
  }

  /** `path` is the file's name in the run directory; `value` is that of the checkpoint metric. */
  saved({ epoch, step }: Position, { path, bytes, value, best, temporary, seconds }: LoggedCheckpoint): void {
    const { metric } = this.loaded.experiment.checkpoint;
    this.log.emit({
      event: 'checkpoint.saved',
      epoch,
      step,
      path,
      bytes,
      metric,
      value,
      best,
      temporary,
      duration_s: seconds,
    });
  }

  /** `place` is where in training it happened. */
  warning(code: string, message: string, place: WarningPlace = {}): void {
    this.log.emit({ event: 'warning', code, message, ...place });
  }

  /** Logs a warning and shows it to the user. */
  warn(code: string, message: string, observer: RunObserver, place?: WarningPlace): void {
    this.warning(code, message, place);
    observer.warning(message);
  }

  /** Logs and shows the warnings about the data. */
  warnings(observer: RunObserver): void {
    for (const { code, message } of this.session.warnings) this.warn(code, message, observer);
  }

  /** `sha256` is the digest of the summary's file; undefined if it could not be written. */
  ended({ status, exit_code, epochs, steps, message, ...times }: Summary, sha256: string | undefined): void {
    const { duration_s, ms_per_step, calibration_ms, step_ratio } = times;
    const speed = { ms_per_step, calibration_ms, step_ratio };
    const told = {
      ...(sha256 !== undefined && { summary_sha256: sha256 }),
      ...(message !== undefined && { message }),
    };
    this.log.emit({ event: 'run.end', status, exit_code, epochs, steps, duration_s, ...speed, ...told });
  }
}
