/**
 * What a new run and one that goes on have in common: training between its beginning and its end,
 * whatever that end is.
 */

import type { LoadedExperiment } from '../../config/index.js';
import { DeviceLostError } from '../../engine/executable.js';
import type { RunDirectory } from '../../experiment/run-directory.js';
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
  /** As its manifest says it; its folder may have been renamed since it began. */
  readonly runId: string;
  readonly state: RunState;
  readonly observer: RunObserver;
  readonly signal: AbortSignal;
  /** Steps between two logged ones. */
  readonly logEvery: number;
  /** Stop resumably once so many epochs are done and evaluated; undefined: go on to the end. */
  readonly pauseAfterEpoch: number | undefined;
  /** When this process began to work on the run, on the clock of `performance`. */
  readonly began: number;
}

/** How a run begins; each is called once, in this order. */
export interface Beginning {
  /** Opens the log and writes what comes first. */
  open(): RunEvents;
  /** Fills the trainer; gives where the loop goes on, undefined for its beginning. */
  place(trainer: Trainer, events: RunEvents): LoopStart | undefined;
}

/**
 * The run directory must be this process's alone. Throws what ends the run unexpectedly, after
 * summary and closing event are written as far as they can be.
 */
export async function trainRun(context: RunContext, beginning: Beginning): Promise<RunResult> {
  const { loaded, session, directory, runId, state, observer, began } = context;
  const closing = new RunClosing(loaded, session, directory, runId, state, began);
  let events: RunEvents | undefined;
  let trainer: Trainer | undefined;
  try {
    events = beginning.open();
    trainer = await createTrainer(loaded, session);
    const from = beginning.place(trainer, events);
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
      const goOn = await recorder.evaluation(report);
      pauseIsDue = report.epochsDone >= pauseAfterEpoch;
      return goOn;
    },
    isFinished: () => recorder.isFinished,
    stopRequested: () => signal.aborted || pauseIsDue,
  };
  const end = await trainingLoop(trainer, order, plan, hooks, from).catch(async (error: unknown) => {
    // the step that was not made changed nothing
    if (error instanceof DeviceLostError) await recorder.interrupted();
    throw error;
  });
  if (end.status === 'diverged') await recorder.diverged(end);
  if (end.status === 'completed' && (await recorder.completed())) return end;
  if (end.status === 'diverged') return end;
  await recorder.interrupted();
  return { status: 'interrupted' };
}
