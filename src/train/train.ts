/** Trains a run and closes it, however it ends; shared by new and resumed runs. */
import type { LoadedExperiment } from '../config/index.js';
import { DeviceLostError } from '../engine/executable.js';
import type { Checkpoint } from '../run/checkpoints.js';
import type { RunDirectory } from '../run/directory.js';
import { counted } from '../util/words.js';
import type { SavedState } from './checkpoints.js';
import { closeFailed, closeRun } from './ending.js';
import type { RunEvents } from './events.js';
import { type LoopEnd, type TrainingState, trainingLoop } from './loop.js';
import { batchOrder, learningRates, totalSteps } from './plan.js';
import { Recorder, type RunObserver, type RunParts, type RunResult } from './recorder.js';
import { createTrainer, type Session } from './session.js';
import type { Trainer } from './trainer.js';
import { restoreTraining } from './weights.js';

export interface RunContext {
  readonly loaded: LoadedExperiment;
  readonly session: Session;
  readonly directory: RunDirectory;
  /** From its manifest: the folder may have been renamed since the run started. */
  readonly runId: string;
  readonly state: TrainingState;
  readonly observer: RunObserver;
  readonly signal: AbortSignal;
  readonly logEvery: number;
  /** Pause after this many epochs have been trained and evaluated; undefined: never. */
  readonly pauseAfterEpoch: number | undefined;
  /** When this process started working on the run, on the `performance` clock. */
  readonly began: number;
}

/** The first weights of a run, or the checkpoint that it resumes from. */
export type RunStart = Float32Array | { readonly checkpoint: Checkpoint; readonly saved: SavedState };

/** Needs the lock of the run. An unexpected error is rethrown after all has been written. */
export async function trainRun(
  context: RunContext,
  start: RunStart,
  open: () => RunEvents,
): Promise<RunResult> {
  const { loaded, session, directory, state, observer } = context;
  let events: RunEvents | undefined;
  let trainer: Trainer | undefined;
  try {
    events = open();
    trainer = await createTrainer(loaded, session);
    if (start instanceof Float32Array) trainer.parameters.set(start);
    else {
      trainer.restoreCarriedStates(restoreTraining(start.checkpoint.tensors, trainer.layout, trainer));
      state.restore(start.saved);
    }
    const end = await train({ ...context, trainer, events });
    return closeRun(context, end, events);
  } catch (error) {
    observer.failed(closeFailed(context, error, events));
    if (directory.isResumable) observer.resumable(directory.path);
    throw error;
  } finally {
    observer.end();
    events?.log.close();
    await trainer?.close();
  }
}

async function train(parts: RunParts): Promise<LoopEnd> {
  const { loaded, session, directory, trainer, state, events, observer, signal, pauseAfterEpoch } = parts;
  const { training: settings } = loaded.experiment;
  const { position } = state;
  const order = batchOrder(loaded, session, position?.order);
  const { batchesPerEpoch, droppedPerEpoch } = order;
  const length = { totalSteps: totalSteps(loaded, order, position?.step), batchesPerEpoch };
  if (droppedPerEpoch > 0 && !position) {
    const message = `each epoch leaves out ${counted(droppedPerEpoch, 'sequence')}: last_batch is 'drop'`;
    events.warn('data/dropped', message);
  }
  observer.begin({
    directory: directory.path,
    totalSteps: length.totalSteps,
    numEpochs: settings.num_epochs,
  });
  const plan = {
    totalSteps: length.totalSteps,
    learningRate: learningRates(loaded.experiment, length, state.history),
    maxSkippedBatches: settings.max_skipped_batches,
    evaluateEvery: settings.evaluate_every?.steps,
    pauseAfterEpoch,
    earlyStopping: settings.early_stopping,
  };
  const { run, dataset } = session;
  const { checkpoints } = directory.files;
  const evaluation = { run, dataset, batchSize: settings.eval_batch_size, checkpoints };
  const recorder = new Recorder(parts, length);
  const evaluating = observer.evaluating.bind(observer);
  const training = { trainer, order, plan, state, evaluation, signal, evaluating };
  let end: LoopEnd = { kind: 'end', status: 'interrupted' };
  try {
    for await (const event of trainingLoop(training)) {
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
