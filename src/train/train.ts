/** Trains a run and closes it, however it ends; shared by new and resumed runs. */
import type { LoadedExperiment } from '../config/index.js';
import { DeviceLostError } from '../engine/executable.js';
import type { RunDirectory } from '../run/directory.js';
import { RunCheckpoints } from './checkpoints.js';
import { RunClosing } from './ending.js';
import type { RunEvents } from './events.js';
import { type LoopEnd, type LoopPlan, type TrainingState, trainingLoop } from './loop.js';
import { droppedSentence } from './messages.js';
import { batchOrder, learningRates, totalSteps } from './plan.js';
import type { RunObserver, RunResult } from './recorder.js';
import { Recorder, type RunParts } from './recorder.js';
import { createTrainer, type Session } from './session.js';
import type { Trainer } from './trainer.js';

export interface RunContext {
  readonly loaded: LoadedExperiment;
  readonly session: Session;
  readonly directory: RunDirectory;
  /** From its manifest: the folder may have been renamed since the run started. */
  readonly runId: string;
  readonly state: TrainingState;
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
  /** Sets the trainer's parameters, and the state if the run resumes. */
  prepare(trainer: Trainer, events: RunEvents): void;
}

/**
 * Trains the run. This process must hold the lock of the run directory. An unexpected error is
 * rethrown after the summary and the closing event have been written, if possible.
 */
export async function trainRun(context: RunContext, start: RunStart): Promise<RunResult> {
  const { loaded, session, directory, state, observer } = context;
  const closing = new RunClosing(context);
  let events: RunEvents | undefined;
  let trainer: Trainer | undefined;
  try {
    events = start.open();
    trainer = await createTrainer(loaded, session);
    start.prepare(trainer, events);
    const checkpoints = new RunCheckpoints(loaded, directory, trainer, state, events);
    if (state.position) checkpoints.resumed(state.position.step);
    const end = await train({ ...context, trainer, events, checkpoints });
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

/** Trains to the end, and records what happens as it happens. */
async function train(parts: RunContext & RunParts): Promise<LoopEnd> {
  const { loaded, session, directory, trainer, state, events, observer, signal, pauseAfterEpoch } = parts;
  const { training } = loaded.experiment;
  const { position } = state;
  const order = batchOrder(loaded, session, position?.order);
  const { batchesPerEpoch, droppedPerEpoch } = order;
  const length = { totalSteps: totalSteps(loaded, order, position?.step), batchesPerEpoch };
  if (droppedPerEpoch > 0 && !position)
    events.warn('data/dropped', droppedSentence(droppedPerEpoch), observer);
  observer.begin({
    directory: directory.path,
    totalSteps: length.totalSteps,
    numEpochs: training.num_epochs,
  });
  const plan: LoopPlan = {
    totalSteps: length.totalSteps,
    learningRate: learningRates(loaded.experiment, length, state.history),
    maxSkippedBatches: training.max_skipped_batches,
    evaluateEvery: training.evaluate_every?.steps,
    pauseAfterEpoch,
    earlyStopping: training.early_stopping,
  };
  const { run, dataset } = session;
  const { checkpoints } = directory.files;
  const evaluation = { run, dataset, batchSize: training.eval_batch_size, checkpoints };
  const recorder = new Recorder(parts, length);
  let end: LoopEnd = { kind: 'end', status: 'interrupted' };
  try {
    for await (const event of trainingLoop({ trainer, order, plan, state, evaluation, signal })) {
      await recorder.record(event);
      if (event.kind === 'end') end = event;
    }
  } catch (error) {
    // the failed step changed nothing, so its previous state can be saved
    if (error instanceof DeviceLostError) await recorder.interrupted();
    throw error;
  }
  return end;
}
