/** One run, from a loaded config to its directory: what is trained, measured, saved, judged and told. */
import type { LoadedExperiment } from '../config/index.js';
import { BatchOrder } from '../data/index.js';
import { describeRun } from '../experiment/manifest.js';
import { RunDirectory } from '../experiment/run-directory.js';
import { trainingLoop } from './loop.js';
import { manifestFacts } from './manifest-facts.js';
import type { RunObserver, RunResult } from './observer.js';
import { Recorder, type RunParts } from './recorder.js';
import { RunCheckpoints } from './run-checkpoints.js';
import { RunClosing } from './run-closing.js';
import { RunEvents } from './run-events.js';
import { RunState } from './run-state.js';
import { droppedSentence } from './sentences.js';
import { type BackendOptions, createTrainer, initialParameters, openSession } from './session.js';
import type { Trainer } from './trainer.js';

export type { RunObserver, RunResult } from './observer.js';

export interface RunOptions extends BackendOptions {
  /** The output root, as the user named it. */
  readonly output: string;
  /** The arguments after the program's name, for the manifest. */
  readonly commandLine: readonly string[];
  readonly started: Date;
  /** Aborted where the run is to stop after the step under way. */
  readonly signal: AbortSignal;
}

/**
 * Trains, evaluates, judges the gates and writes the run directory. Throws UserError before the directory exists where config
 * or data are wrong; after that every end, an unexpected one included, leaves a summary and a closing event as far as they can
 * still be written.
 */
export async function runExperiment(
  loaded: LoadedExperiment,
  options: RunOptions,
  observer: RunObserver,
): Promise<RunResult> {
  const began = performance.now();
  const session = await openSession(loaded, options);
  const dataSeconds = (performance.now() - began) / 1000;
  const initial = initialParameters(loaded, session.spec);
  const directory = createDirectory(loaded, options);
  const state = new RunState();
  const closing = new RunClosing(loaded, session, directory, state, began);
  let events: RunEvents | undefined;
  let trainer: Trainer | undefined;
  try {
    const facts = manifestFacts(loaded, session, { ...options, runId: directory.id });
    directory.writeManifest(describeRun(facts, directory.path));
    events = RunEvents.open(directory.files.log, loaded, session);
    events.started(directory.id);
    events.dataReady(dataSeconds);
    trainer = await createTrainer(loaded, session);
    trainer.parameters.set(initial);
    events.compiled();
    const checkpoints = new RunCheckpoints(loaded, directory, trainer, state, events);
    const { signal } = options;
    const end = await train({ loaded, session, trainer, state, events, checkpoints, observer, signal });
    return closing.ended(end, events);
  } catch (error) {
    closing.failed(error, events);
    throw error;
  } finally {
    observer.end();
    events?.close();
    await trainer?.close();
  }
}

function createDirectory(loaded: LoadedExperiment, { output, started }: RunOptions): RunDirectory {
  return RunDirectory.create({
    name: loaded.experiment.name,
    outputRoot: output,
    configHash: loaded.hash,
    givenYaml: loaded.givenYaml,
    resolvedYaml: loaded.resolvedYaml,
    started,
  });
}

async function train(parts: RunParts) {
  const { loaded, session, trainer, events, observer, signal } = parts;
  const { training, optimizer, seed } = loaded.experiment;
  const order = new BatchOrder({
    count: session.dataset.train.count,
    batchSize: training.batch_size,
    shuffle: training.shuffle,
    lastBatch: training.last_batch,
    seed,
  });
  const { batchesPerEpoch, droppedPerEpoch } = order;
  const most = training.max_steps ?? Number.POSITIVE_INFINITY;
  const totalSteps = Math.min(most, training.num_epochs * batchesPerEpoch);
  const dropped = { code: 'data/dropped', message: droppedSentence(droppedPerEpoch) };
  for (const { code, message } of droppedPerEpoch > 0 ? [...session.warnings, dropped] : session.warnings) {
    events.warning(code, message);
    observer.line(`warning: ${message}`);
  }
  observer.begin({ totalSteps, numEpochs: training.num_epochs, logEvery: training.log_every });
  const recorder = new Recorder(parts, { totalSteps, batchesPerEpoch });
  const plan = {
    numEpochs: training.num_epochs,
    learningRate: optimizer.learning_rate,
    ...(training.max_steps !== undefined && { maxSteps: training.max_steps }),
  };
  const end = await trainingLoop(trainer, order, plan, {
    onStep: report => recorder.step(report),
    onEpoch: report => recorder.epoch(report),
    stopRequested: () => signal.aborted,
  });
  if (end.status === 'diverged') recorder.diverged(end);
  return end;
}
