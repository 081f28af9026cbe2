/** Trains a run and closes it, however it ends; shared by new and resumed runs. */

import type { LoadedExperiment } from '../../config/index.js';
import { DeviceLostError } from '../../engine/executable.js';
import type { RunDirectory } from '../../run/directory.js';
import type { Trainer } from '../step/trainer.js';
import { batchOrder, totalSteps } from './batch-plan.js';
import { RunCheckpoints } from './checkpoints.js';
import { RunClosing } from './closing.js';
import type { RunEvents } from './events.js';
import { learningRates } from './learning-rate.js';
import { type EvaluationReport, type LoopEnd, type LoopStart, trainingLoop } from './loop.js';
import type { RunObserver, RunResult } from './observer.js';
import { Recorder } from './recorder.js';
import { droppedSentence } from './sentences.js';
import { createTrainer, type Session } from './session.js';
import type { RunState } from './state.js';

export interface RunContext {
  readonly loaded: LoadedExperiment;
  readonly session: Session;
  readonly directory: RunDirectory;
  /** From its manifest: the folder may have been renamed since the run started. */
  readonly runId: string;
  readonly state: RunState;
  readonly observer: RunObserver;
  readonly signal: AbortSignal;
  /** Interval between logged steps. */
  readonly logEvery: number;
  /** Pause after this many epochs have been trained and evaluated; undefined: never. */
  readonly pauseAfterEpoch: number | undefined;
  /** When this process started working on the run, on the `performance` clock. */
  readonly began: number;
}

/** How a run starts. Each method is called once, in this order. */
export interface RunStart {
  /** Opens the log and writes its first events. */
  open(): RunEvents;
  /**
   * Sets the trainer's parameters; returns the position to resume from, undefined for a new run.
   */
  prepare(trainer: Trainer, events: RunEvents): LoopStart | undefined;
}

/**
 * Trains the run. This process must hold the lock of the run directory. An unexpected error is
 * rethrown after the summary and the closing event have been written, if possible.
 */
export async function trainRun(context: RunContext, start: RunStart): Promise<RunResult> {
  const { loaded, session, directory, runId, state, observer, began } = context;
  const closing = new RunClosing(loaded, session, directory, runId, state, began);
  let events: RunEvents | undefined;
  let trainer: Trainer | undefined;
  try {
    events = start.open();
    trainer = await createTrainer(loaded, session);
    const from = start.prepare(trainer, events);
    const checkpoints = new RunCheckpoints(loaded, directory, trainer, state, events);
    if (from) checkpoints.resumed(from.position.step);
    const end = await train({ ...context, trainer, events, checkpoints }, from);
    return closing.ended(end, events);
  } catch (error) {
    observer.failed(closing.failed(error, events));
    if (directory.isResumable) observer.resumable(directory.path);
    throw error;
  } finally {
    observer.end();
    events?.close();
    await trainer?.close();
  }
}

interface Training extends RunContext {
  readonly trainer: Trainer;
  readonly events: RunEvents;
  readonly checkpoints: RunCheckpoints;
}

async function train(parts: Training, from: LoopStart | undefined): Promise<LoopEnd> {
  const { loaded, session, directory, trainer, events, observer, signal, pauseAfterEpoch = Infinity } = parts;
  const { training } = loaded.experiment;
  const order = batchOrder(loaded, session, from?.position.order);
  const steps = totalSteps(loaded, order, from?.position.step);
  const { batchesPerEpoch, droppedPerEpoch } = order;
  if (droppedPerEpoch > 0 && !from) events.warn('data/dropped', droppedSentence(droppedPerEpoch), observer);
  observer.begin({
    directory: directory.path,
    totalSteps: steps,
    numEpochs: training.num_epochs,
  });
  const evaluateEvery = training.evaluate_every?.steps;
  const recorder = new Recorder(parts, { totalSteps: steps, batchesPerEpoch, evaluateEvery });
  const plan = {
    totalSteps: steps,
    learningRate: learningRates(
      loaded.experiment,
      { totalSteps: steps, batchesPerEpoch },
      parts.state.history,
    ),
    maxSkippedBatches: training.max_skipped_batches,
    evaluateEvery,
  };
  let pauseIsDue = from?.evaluated === true && from.position.epochsDone >= pauseAfterEpoch;
  const hooks = {
    onStep: recorder.step.bind(recorder),
    onEvaluation: async (report: EvaluationReport) => {
      const shouldContinue = await recorder.evaluation(report);
      pauseIsDue = report.epochsDone >= pauseAfterEpoch;
      return shouldContinue;
    },
    isFinished: () => recorder.isFinished,
    stopRequested: () => signal.aborted || pauseIsDue,
  };
  const end = await trainingLoop(trainer, order, plan, hooks, from).catch(async (error: unknown) => {
    // the failed step changed nothing, so its previous state can be saved
    if (error instanceof DeviceLostError) await recorder.interrupted();
    throw error;
  });
  if (end.status === 'diverged') await recorder.diverged(end);
  if (end.status === 'completed' && (await recorder.completed())) return end;
  if (end.status === 'diverged') return end;
  await recorder.interrupted();
  return { status: 'interrupted' };
}
