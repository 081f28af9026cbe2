/**
 * Records what happens in training: events, evaluations, checkpoints, and what an observer sees.
 */

import type { LoadedExperiment } from '../config/index.js';
import { inputWidth } from '../data/index.js';
import { EXECUTORS } from '../engine/backend.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { type CheckpointStore, openCheckpoints } from '../run/checkpoints.js';
import { openLog } from '../run/event-log.js';
import type { EventFields, EventName } from '../run/events.js';
import { type Metrics, metricValue } from '../run/gates.js';
import { initialWeightsSentence, versions } from '../run/manifest.js';
import type { SplitMetrics, Summary } from '../run/summary.js';
import { metricSentence, metricSentences } from '../run/words.js';
import { type Confidence, confidenceSentence, missedSentence, ofLabels } from '../tasks/core/confidence.js';
import type { SplitEvaluation } from '../tasks/facts.js';
import type { ExitCode } from '../util/errors.js';
import { counted, listed } from '../util/words.js';
import { checkpointMetadata, logCheckpoint, retryWrite } from './checkpoints.js';
import { stepCosts } from './costs.js';
import type { EvaluationProgress } from './evaluator.js';
import type { EpochReport, EvaluationReport, LoopEnd, Measured, Position, StepReport } from './loop.js';
import type { EarlyStop, RunPlan } from './plan.js';
import type { RunContext } from './train.js';
import type { StepResult, Trainer } from './trainer.js';
import { trainingTensors } from './weights.js';

/** The parts of a run. Each is closed by its creator. */
export interface RunParts extends RunContext {
  readonly trainer: Trainer;
  readonly events: RunEvents;
}

const MAX_SKIP_WARNINGS = 5;

export class Recorder {
  private stepped = false;
  private skips = 0;
  /** The latest evaluation, until its file is written. */
  private unwritten: SplitEvaluation | undefined;
  private readonly store: CheckpointStore;
  /** The last checkpoint; at first that which the run resumes from. */
  private saved: { readonly step: number; readonly time: number };

  constructor(
    private readonly parts: RunParts,
    private readonly plan: RunPlan,
  ) {
    const { loaded, directory, state } = parts;
    const { keep, metric, mode } = loaded.experiment.checkpoint;
    this.store = openCheckpoints(directory.files.checkpoints, { keep, metric, mode });
    this.saved = { step: state.position?.step ?? -1, time: performance.now() };
  }

  /** The training since the start of the epoch; an evaluation follows. */
  epoch({ epoch, step, epochEnded, loss, metrics, samples, seconds }: EpochReport): void {
    const { events, state } = this.parts;
    if (!epochEnded) return;
    events.emit({ event: 'train.epoch', epoch, step, loss, ...metrics, samples, duration_s: seconds });
    // without any trained batch there is no mean
    if (samples > 0) state.best.addAll('train', { loss, ...metrics });
  }

  evaluating({ done, total }: EvaluationProgress): void {
    this.parts.observer.evaluating({ done, total });
  }

  /** In a run that is evaluated with its average: what the weights themselves reach. */
  trainedWeights(measured: Measured): void {
    this.logEvaluation('eval.trained', measured);
  }

  earlyStop(position: Position, stop: EarlyStop): void {
    const { min_delta = 0 } = this.parts.loaded.experiment.training.early_stopping ?? {};
    this.parts.observer.line?.(earlyStopSentence(position, stop, min_delta));
  }

  /**
   * What was fitted on the validation split.
   * @param limits labels whose aim no threshold reaches, and those whose predictions are all right
   */
  async confidence(
    found: Confidence,
    { missed, right }: Readonly<Record<'missed' | 'right', readonly number[]>>,
  ): Promise<void> {
    const { events, directory, observer } = this.parts;
    await retryWrite(events, 'confidence/retry', () => directory.write('confidence', found));
    observer.line?.(`Fitted on the validation split: ${confidenceSentence(found)}.`);
    if (missed.length > 0) events.warn('confidence/threshold', missedSentence(missed, found.thresholds));
    if (right.length > 0) {
      const message = `all predictions${ofLabels(right, found.temperatures)} for the validation split are right, which tells nothing about their probabilities: \`calibrate\` leaves them as they are`;
      events.warn('confidence/calibrate', message);
    }
  }

  async end(end: LoopEnd): Promise<void> {
    // to resume from: the state before a step that failed
    if (end.status !== 'completed') await this.save(null, true);
    if (end.status === 'diverged') this.logStep(end, undefined);
  }

  async step(report: StepReport): Promise<void> {
    const { step, epoch, samples, seconds, updated, loss, evaluationIsDue } = report;
    const { state, events, observer, trainer, loaded, logEvery } = this.parts;
    const { stepTimes, calibration } = state;
    stepTimes.add(samples, seconds);
    if (!updated) this.skipped(report);
    // training may stop early after any evaluation, and the last step is always logged
    const mayBeLast = evaluationIsDue && loaded.experiment.training.early_stopping !== undefined;
    if (step === 1 || step % logEvery === 0 || step === this.plan.totalSteps || mayBeLast)
      this.logStep(report, stepTimes.takeRate());
    if (!this.stepped && trainer.narrowed !== undefined) events.warn('engine/width', trainer.narrowed);
    this.stepped = true;
    observer.step({ epoch, step, samples, ...(updated && { loss }) });
    // if an evaluation is due, the checkpoint is saved after it
    if (!evaluationIsDue && this.isCheckpointDue(step)) await this.save(null);
    if (calibration.isDue(stepTimes.count, stepTimes.total))
      await calibration.measure(() => trainer.calibrate());
  }

  /** `samples_per_s` is undefined if no step was measured since the previous event. */
  private logStep(
    { epoch, step, loss, ...report }: StepReport | Extract<LoopEnd, { status: 'diverged' }>,
    samples_per_s: number | undefined,
  ): void {
    const { learningRate: learning_rate, gradientNorm: grad_norm } = report;
    const rate = samples_per_s !== undefined && { samples_per_s };
    this.parts.events.emit({ event: 'train.step', epoch, step, loss, learning_rate, grad_norm, ...rate });
  }

  /** Logs a skipped batch; the user sees the first few. */
  private skipped(report: StepReport): void {
    const { loaded, events, observer } = this.parts;
    const message = skippedSentence(report, loaded);
    const { epoch, step, loss, gradientNorm: grad_norm } = report;
    events.emit({ event: 'warning', code: 'training/skipped', message, epoch, step, loss, grad_norm });
    this.skips += 1;
    if (this.skips <= MAX_SKIP_WARNINGS) observer.warning(message);
    if (this.skips === MAX_SKIP_WARNINGS + 1)
      observer.warning('more batches are skipped; log.jsonl lists all of them');
  }

  async evaluation(report: EvaluationReport): Promise<void> {
    const { state, events, observer, loaded } = this.parts;
    const { split, position, metrics, stop, stage, isLast } = report;
    const { epoch, step } = position;
    this.unwritten = report.document;
    if (stage === 'training') {
      state.best.addAll(split, metrics);
      this.warnOfUndefined(position);
    }
    this.logEvaluation('eval', report);
    const left = stage === 'end' ? 0 : this.evaluationsAfter(position);
    const text = evaluationSentence(split, state.restored ?? position, state.metrics);
    observer.evaluated({ split, step, epoch, metrics, left, text });
    const odd = notFiniteMetrics(split, metrics);
    if (odd !== '') events.warn('eval/not-finite', `step ${step}: ${odd} is not finite`, { epoch, step });
    if (stop) events.emit({ event: 'early_stop', epoch, step, ...stop });
    if (stage === 'end') return this.writeEvaluation();
    const { every, metric } = loaded.experiment.checkpoint;
    const value = metricValue(state.metrics, metric) ?? null;
    const due = isLast || (every === 'epoch' && position.epochEnded) || this.isCheckpointDue(step);
    if (due || (value !== null && this.store.wouldBeBest(value))) await this.save(value);
  }

  private logEvaluation(
    event: 'eval' | 'eval.trained',
    { split, position, metrics, samples, seconds }: Measured,
  ): void {
    const { state, events } = this.parts;
    const { epoch, step } = position;
    const { loss, ...others } = metrics;
    const restored = state.restored && { restored_step: state.restored.step };
    state.evalSeconds += seconds;
    if (samples === 0) return;
    events.emit({ event, split, epoch, step, loss, ...others, samples, ...restored, duration_s: seconds });
  }

  /** Warns once about each watched metric that has no value, because it never takes effect. */
  private warnOfUndefined({ step, epoch }: Position): void {
    const { state, events } = this.parts;
    for (const metric of state.history.metrics) {
      if (metricValue(state.metrics, metric) !== undefined || state.history.of(metric).length > 1) continue;
      const message = `${metric} has no value on this split, so it cannot select a checkpoint`;
      events.warn('eval/undefined', message, { epoch, step });
    }
  }

  /** After each epoch, those of `evaluate_every` in between, and a final one of the test split. */
  private evaluationsAfter({ step }: Position): number {
    const { loaded, session } = this.parts;
    const { totalSteps, batchesPerEpoch } = this.plan;
    const every = loaded.experiment.training.evaluate_every?.steps ?? Number.POSITIVE_INFINITY;
    const atEpochs = Math.ceil((totalSteps - step) / batchesPerEpoch);
    const between = Math.floor(totalSteps / every) - Math.floor(step / every);
    return atEpochs + between + (session.dataset.validation ? 1 : 0);
  }

  private isCheckpointDue(step: number): boolean {
    const { every } = this.parts.loaded.experiment.checkpoint;
    if (every === 'epoch') return false;
    if (every.steps !== undefined) return step % every.steps === 0;
    return every.seconds !== undefined && performance.now() - this.saved.time >= every.seconds * 1000;
  }

  /**
   * Saves the current state. Does nothing before the first step, or if this step is already saved
   * and `value` is null.
   * @param value of the checkpoint metric; null if it was not measured
   * @param temporary true for a checkpoint that only serves to resume; the next one replaces it
   */
  private async save(value: number | null, temporary = false): Promise<void> {
    const { state, loaded, trainer, events, observer } = this.parts;
    const { position } = state;
    await this.writeEvaluation();
    if (position !== undefined && (this.saved.step !== position.step || value !== null)) {
      const { step, epoch } = position;
      const began = performance.now();
      const metadata = checkpointMetadata(state, position, loaded.stepHash);
      await trainer.read();
      const tensors = trainingTensors(trainer.layout, trainer, trainer.carriedStates);
      const saved = await retryWrite(events, 'checkpoint/retry', () => {
        // a power failure must not lose records older than a saved checkpoint
        events.flush();
        return this.store.save({ step, epoch, tensors, metadata, metric: value, temporary });
      });
      this.saved = { step, time: performance.now() };
      const seconds = (this.saved.time - began) / 1000;
      logCheckpoint(this.parts, events, position, { ...saved, value, temporary, seconds });
    }
    observer.saved();
  }

  /** Always before a checkpoint: a run that resumes from one repeats the later evaluations. */
  private async writeEvaluation(): Promise<void> {
    const { unwritten } = this;
    const { directory, events } = this.parts;
    if (unwritten)
      await retryWrite(events, 'evaluation/retry', () => directory.write('evaluation', unwritten));
    this.unwritten = undefined;
  }
}

/** Callbacks during a run, in the order of events. An exception in one ends the run. */
export interface RunObserver {
  /** Training starts. From now on, the run in `directory` can be resumed. */
  begin(plan: { directory: string; totalSteps: number; numEpochs: number }): void;
  /** A step was completed; `loss` is absent if its batch was skipped. */
  step(step: { epoch: number; step: number; samples: number; loss?: number }): void;
  evaluating(progress: { done: number; total: number }): void;
  /** An evaluation of a split has ended. `text` describes it for the user; `left` more follow. */
  evaluated(evaluation: {
    split: 'validation' | 'test';
    step: number;
    epoch: number;
    metrics: SplitMetrics;
    left: number;
    text: string;
  }): void;
  saved(): void;
  /** A problem that does not stop the run. */
  warning(text: string): void;
  /** A sentence for the user. */
  line?(text: string): void;
  /** The last call of a run, also after an error. */
  end?(): void;
  /** An error has ended the run. summary.json, with this content, may not have been written. */
  failed?(summary: Summary): void;
  /** An error has ended the run in `directory`, which can be resumed once the cause is fixed. */
  resumable?(directory: string): void;
}

export interface RunResult {
  readonly exitCode: ExitCode;
  /** The content of summary.json, except that it spells out numbers that are not finite. */
  readonly summary: Summary;
  readonly advice?: string;
}

export type RunEvents = ReturnType<typeof openEvents>;

/** Opens the log of the run, which has `seq` events, for appending. */
export function openEvents(run: RunContext, seq = 0) {
  const log = openLog(run.directory.files.log, seq);
  return {
    ...log,
    /** Logs a warning and shows it to the user. */
    warn(code: string, message: string, place?: Omit<EventFields['warning'], 'code' | 'message'>): void {
      log.emit({ event: 'warning', code, message, ...place });
      run.observer.warning(message);
    },

    /** Logs what is known before training, except the events `kept` that the log already has. */
    begin(dataSeconds: number, kept: ReadonlySet<EventName> = new Set()): void {
      const { loaded, session, runId } = run;
      const { experiment, hash } = loaded;
      const { choice, spec, dataset } = session;
      const { train, validation, test, input, sequenceLength } = dataset;
      if (!kept.has('run.start'))
        log.emit({
          event: 'run.start',
          run_id: runId,
          name: experiment.name,
          seed: experiment.seed,
          config_hash: hash,
          version: versions().cellrun,
        });
      if (!kept.has('data.ready'))
        log.emit({
          event: 'data.ready',
          train_count: train.count,
          ...(validation && { validation_count: validation.count }),
          test_count: test.count,
          input_size: inputWidth(input),
          sequence_length: sequenceLength,
          num_classes: train.targets.kind === 'class' ? spec.outputSize : null,
          duration_s: dataSeconds,
        });
      if (run.weights && !kept.has('weights.loaded')) {
        const { name, loaded, random, unused } = run.weights;
        const [started, left] = [random, unused].map(names => names.join(', '));
        log.emit({ event: 'weights.loaded', name, loaded, random: started, unused: left });
        run.observer.line?.(`Initial weights: ${initialWeightsSentence(run.weights)}.`);
      }
      if (kept.has('graph.compiled')) return;
      const began = performance.now();
      const costs = stepCosts(session.run, experiment.training.batch_size);
      log.emit({
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
    },
  };
}

/** Printed after an evaluation. */
function evaluationSentence(
  split: 'validation' | 'test',
  { epoch, step }: Pick<Position, 'epoch' | 'step'>,
  { train, ...metrics }: Metrics,
): string {
  const trained =
    train.loss === undefined ? 'every batch skipped' : metricSentence('train', 'loss', train.loss);
  const measured = metricSentences(split, metrics[split] ?? {});
  return [`epoch ${epoch}`, `step ${step}`, trained, ...measured].join('  ');
}

function earlyStopSentence(
  { epoch, step }: Position,
  { metric, best, patience }: EarlyStop,
  minDelta: number,
): string {
  const times = counted(patience, 'evaluation');
  const by = minDelta > 0 ? ` by more than ${minDelta}` : '';
  const why = Number.isNaN(best)
    ? `${metric} had no finite value in ${times}`
    : `${metric} did not improve on ${best.toPrecision(4)}${by} in ${times}`;
  return `stopped early after epoch ${epoch}, step ${step}: ${why}`;
}

/** For example `test loss Infinity`: every value that is not finite; empty if all are. */
export function notFiniteMetrics(split: string, metrics: SplitMetrics): string {
  return Object.entries(metrics)
    .filter(([, value]) => !Number.isFinite(value))
    .map(([name, value]) => `${split} ${name} ${value}`)
    .join(', ');
}

/** For example `optimizer.learning_rate is 0.1 (a.yaml:8:18)`. */
export function settingSentence(
  { experiment, origin }: LoadedExperiment,
  section: 'optimizer' | 'training',
  name: string,
): string {
  const key = `${section}.${name}`;
  const value: unknown = Reflect.get(experiment[section], name);
  return value === undefined ? `${key} is not set` : `${key} is ${value} (${origin(key)})`;
}

/** `checkpoint` is the file with the parameters of the previous step; null before the first. */
export function divergedSentence(
  { step, skipped, ...result }: Extract<LoopEnd, { status: 'diverged' }>,
  loaded: LoadedExperiment,
  checkpoint: string | null,
): string {
  const kept =
    checkpoint === null ? 'no earlier step was trained' : `${checkpoint} is from the previous step`;
  const most = settingSentence(loaded, 'training', 'max_skipped_batches');
  const skips =
    skipped > 0
      ? `${skipped} ${skipped === 1 ? 'batch was' : 'batches were'} skipped before, and ${most}`
      : `${most}, so no batch is skipped`;
  const rate = settingSentence(loaded, 'optimizer', 'learning_rate');
  const clip = settingSentence(loaded, 'training', 'gradient_clip_norm');
  return `training diverged at step ${step}: ${notFiniteWords(result)}; ${kept}; ${skips}; ${rate}, ${clip}`;
}

/** Before the first update, neither the learning rate nor the gradient can be the cause. */
export function divergedAdvice(updates: number, { experiment }: LoadedExperiment): string {
  if (updates === 0) {
    const from = experiment.model.init_from === undefined ? '' : ', or in the weights of `model.init_from`';
    return `this was the first update: look for values in the data${from} that are too large`;
  }
  const clip = experiment.training.gradient_clip_norm === undefined ? ', or training.gradient_clip_norm' : '';
  return `try a smaller optimizer.learning_rate${clip}`;
}

function skippedSentence({ step, skipped, ...result }: StepReport, { experiment }: LoadedExperiment): string {
  const left = Math.max(0, experiment.training.max_skipped_batches - skipped);
  return `step ${step}: batch skipped: ${notFiniteWords(result)}; training.max_skipped_batches allows ${left} more`;
}

const MAX_LISTED = 3;

/** Describes the values that are not finite in a step without an update. */
function notFiniteWords({
  loss,
  gradientNorm,
  notFinite,
}: Pick<StepResult, 'loss' | 'gradientNorm' | 'notFinite'>): string {
  const where = notFinite.length > 0 ? ` (${listed(notFinite, MAX_LISTED)})` : '';
  if (!Number.isFinite(loss)) return `the loss is ${loss}, the gradient norm ${gradientNorm}${where}`;
  return Number.isFinite(gradientNorm)
    ? `the update exceeds the range of float32, at a gradient norm of ${gradientNorm.toPrecision(4)}${where}`
    : `the gradient norm is ${gradientNorm}${where}`;
}
