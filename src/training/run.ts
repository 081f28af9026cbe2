/** One run, from a loaded config to its directory: what is trained, measured, saved, judged and told. */
import type { LoadedExperiment } from '../config/index.js';
import { BatchOrder } from '../data/index.js';
import { EXECUTORS } from '../engine/executable.js';
import { EXIT, type ExitCode, UserError } from '../errors.js';
import type { JsonObject } from '../experiment/json.js';
import { EventLog } from '../experiment/logger.js';
import { describeRun } from '../experiment/manifest.js';
import { RunDirectory } from '../experiment/run-directory.js';
import { type LoopEnd, trainingLoop } from './loop.js';
import { Recorder } from './recorder.js';
import {
  type BackendOptions,
  createTrainer,
  initialParameters,
  openSession,
  type Session,
} from './session.js';
import { stepCosts } from './step-programs.js';
import type { Trainer } from './trainer.js';

export interface RunOptions extends BackendOptions {
  /** The output root, as the user named it. */
  readonly output: string;
  /** The arguments after the program's name, for the manifest. */
  readonly commandLine: readonly string[];
  readonly started: Date;
  /** Aborted where the run is to stop after the step under way. */
  readonly signal: AbortSignal;
}

/** What is told while a run goes on. */
export interface RunObserver {
  /** Training begins: `totalSteps` optimizer steps over `numEpochs` epochs. */
  begin(plan: { totalSteps: number; numEpochs: number; logEvery: number }): void;
  step(step: { epoch: number; step: number; samples: number; loss: number }): void;
  /** A sentence for the reader. */
  line(text: string): void;
  end(): void;
}

export interface RunResult {
  readonly exitCode: ExitCode;
  /** As summary.json holds it. */
  readonly summary: JsonObject;
}

/**
 * Trains, evaluates, judges the gates and writes the run directory. Throws UserError before the directory exists where config
 * or data are wrong; after that every end, an unexpected one included, leaves a summary and a closing event.
 */
export async function runExperiment(
  loaded: LoadedExperiment,
  options: RunOptions,
  observer: RunObserver,
): Promise<RunResult> {
  const dataBegan = performance.now();
  const session = await openSession(loaded, options);
  const dataSeconds = (performance.now() - dataBegan) / 1000;
  const { experiment } = loaded;
  const initial = initialParameters(loaded, session.spec);
  const directory = RunDirectory.create({
    name: experiment.name,
    outputRoot: options.output,
    configHash: loaded.hash,
    givenYaml: loaded.givenYaml,
    resolvedYaml: loaded.resolvedYaml,
    started: options.started,
  });
  const log = EventLog.open(directory.files.log);
  const recorder = new Recorder(loaded, session, directory, log, observer, options.signal);
  let trainer: Trainer | undefined;
  try {
    recorder.started(dataSeconds);
    trainer = await createTrainer(loaded, session);
    directory.writeManifest(manifest(loaded, session, directory, trainer, options));
    trainer.parameters.set(initial);
    compiled(session, trainer, loaded, log);
    const end = await train(loaded, session, trainer, recorder, observer, options.signal);
    return recorder.finished(end);
  } catch (error) {
    recorder.failed(error instanceof UserError ? error.exitCode : EXIT.unexpected, (error as Error).message);
    throw error;
  } finally {
    observer.end();
    await trainer?.close();
    log.close();
  }
}

async function train(
  { experiment }: LoadedExperiment,
  { dataset }: Session,
  trainer: Trainer,
  recorder: Recorder,
  observer: RunObserver,
  signal: AbortSignal,
): Promise<LoopEnd> {
  const { training, optimizer, seed } = experiment;
  const order = new BatchOrder({
    count: dataset.train.count,
    batchSize: training.batch_size,
    shuffle: training.shuffle,
    lastBatch: training.last_batch,
    seed,
  });
  const most = training.max_steps ?? Number.POSITIVE_INFINITY;
  const totalSteps = Math.min(most, training.num_epochs * order.batchesPerEpoch);
  recorder.training(trainer, order, totalSteps);
  observer.begin({ totalSteps, numEpochs: training.num_epochs, logEvery: training.log_every });
  const plan = {
    numEpochs: training.num_epochs,
    learningRate: optimizer.learning_rate,
    ...(training.max_steps !== undefined && { maxSteps: training.max_steps }),
  };
  return trainingLoop(trainer, order, plan, {
    onStep: report => recorder.step(report),
    onEpoch: report => recorder.epoch(report),
    stopRequested: () => signal.aborted,
  });
}

function manifest(
  loaded: LoadedExperiment,
  { choice, dataset, run }: Session,
  directory: RunDirectory,
  trainer: Trainer,
  { started, commandLine }: RunOptions,
) {
  const { experiment, hash, files } = loaded;
  const seeds = { experiment: experiment.seed };
  return describeRun(
    {
      run_id: directory.id,
      name: experiment.name,
      started,
      config_hash: hash,
      config_files: files,
      backend: {
        name: choice.backend,
        reason: choice.reason,
        executor: EXECUTORS[choice.backend],
        threads: choice.backend === 'webgpu' ? null : run.threads,
        adapter: choice.backend === 'webgpu' ? (choice.adapter?.description ?? null) : null,
      },
      datasets: dataset.digests,
      seeds: experiment.dataset.kind === 'synthetic' ? { ...seeds, dataset: experiment.dataset.seed } : seeds,
      parameters: trainer.layout.size,
      command_line: commandLine,
    },
    directory.path,
  );
}

function compiled({ choice, run }: Session, trainer: Trainer, loaded: LoadedExperiment, log: EventLog): void {
  const began = performance.now();
  const { nodes, kernels, flops, bytes } = stepCosts(run, loaded.experiment.training.batch_size);
  log.emit({
    event: 'graph.compiled',
    backend: choice.backend,
    backend_reason: choice.reason,
    executor: EXECUTORS[choice.backend],
    parameters: trainer.layout.size,
    nodes,
    kernels_per_step: kernels,
    flops_per_step: flops,
    bytes,
    duration_s: (performance.now() - began) / 1000,
  });
}
