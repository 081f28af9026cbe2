/** Starts a new run from a loaded config. */
import { dirname } from 'node:path';
import type { LoadedExperiment } from '../config/index.js';
import { checkName, type GivenConfigs, RunDirectory } from '../run/directory.js';
import { whileLocked } from '../run/lock.js';
import { gitState } from '../run/manifest.js';
import { refuseOtherConfig } from './changes.js';
import { TrainingState } from './loop.js';
import { newManifest } from './manifest.js';
import { batchOrder, defaultLogEvery, totalSteps, watchedMetrics } from './plan.js';
import { RunEvents, type RunObserver, type RunResult } from './recorder.js';
import { resumeExperiment } from './resume.js';
import { type BackendOptions, initialParameters, openSession } from './session.js';
import { type RunContext, trainRun } from './train.js';

export type { RunObserver, RunResult } from './recorder.js';

export interface RunOptions extends BackendOptions {
  readonly output: string;
  /**
   * Directory of the run, instead of a new one under `output`. Resumes the run that it contains.
   */
  readonly directory?: string;
  /** Pause after this many epochs have been trained and evaluated. */
  readonly pauseAfterEpoch?: number;
  /** The arguments after the program's name, for the manifest. */
  readonly commandLine: readonly string[];
  readonly started: Date;
  readonly signal: AbortSignal;
}

/** Mistakes of the config or the data are thrown before the run directory exists. */
export async function runExperiment(
  loaded: LoadedExperiment,
  options: RunOptions,
  observer: RunObserver,
): Promise<RunResult> {
  if (options.directory !== undefined && RunDirectory.hasBegun(options.directory))
    return resumeIn(options.directory, loaded, options, observer);
  const began = performance.now();
  const config = loaded.files.at(-1);
  const asked = config === undefined ? null : gitState(dirname(config));
  const session = await openSession(loaded, options);
  const dataSeconds = (performance.now() - began) / 1000;
  const logEvery =
    loaded.experiment.training.log_every ?? defaultLogEvery(totalSteps(loaded, batchOrder(loaded, session)));
  const initial = initialParameters(loaded, session.spec);
  const { givenYaml, resolvedYaml } = loaded;
  const git = await asked;
  const directory = makeDirectory(loaded, { givenYaml, resolvedYaml }, options);
  const { signal, pauseAfterEpoch } = options;
  const state = new TrainingState(watchedMetrics(loaded.experiment));
  const context: RunContext = {
    ...{ loaded, session, directory, observer, signal, pauseAfterEpoch, began, state, logEvery },
    runId: directory.id,
  };
  const begun = await whileLocked(directory.files.lock, async () => {
    if (options.directory !== undefined) {
      // another process may have run here while this one read the data
      if (directory.isResumable) return undefined;
      directory.takeConfigs({ givenYaml, resolvedYaml });
    }
    return trainRun(context, initial, () => {
      directory.write('manifest', newManifest(context, options, git));
      const events = RunEvents.open(context);
      events.begin(dataSeconds);
      for (const { code, message } of session.warnings) events.warn(code, message);
      return events;
    });
  });
  return begun ?? resumeIn(directory.path, loaded, options, observer);
}

async function resumeIn(
  directory: string,
  loaded: LoadedExperiment,
  options: RunOptions,
  observer: RunObserver,
): Promise<RunResult> {
  refuseOtherConfig(RunDirectory.open(directory), loaded);
  return resumeExperiment(directory, { ...options, set: [], allowChange: [], strict: false }, observer);
}

function makeDirectory(
  loaded: LoadedExperiment,
  configs: GivenConfigs,
  { output, directory, started }: RunOptions,
): RunDirectory {
  if (directory !== undefined) return RunDirectory.at(directory, configs);
  const { name } = loaded.experiment;
  checkName(name, loaded.locator.atValue(['name'], 'run/name', ''));
  return RunDirectory.create({ ...configs, name, outputRoot: output, configHash: loaded.hash, started });
}
