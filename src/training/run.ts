/** A new run, from a loaded config to its directory. */
import type { LoadedExperiment } from '../config/index.js';
import { usageError } from '../errors.js';
import { describeRun } from '../experiment/manifest.js';
import { RunDirectory } from '../experiment/run-directory.js';
import { whileLocked } from '../experiment/run-lock.js';
import { type Beginning, conductRun } from './conduct.js';
import { manifestFacts } from './manifest-facts.js';
import type { RunObserver, RunResult } from './observer.js';
import { resumeExperiment } from './resume.js';
import { RunEvents } from './run-events.js';
import { RunState } from './run-state.js';
import { type BackendOptions, initialParameters, openSession } from './session.js';

export type { RunObserver, RunResult } from './observer.js';

export interface RunOptions extends BackendOptions {
  /** The output root, as the user named it. */
  readonly output: string;
  /** Where the run is to be instead of a new place under `output`; gone on from where it has begun there. */
  readonly directory?: string;
  /** Stop resumably once so many epochs are done and evaluated. */
  readonly pauseAfterEpoch?: number;
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
  if (options.directory !== undefined && RunDirectory.hasBegun(options.directory))
    return goOn(options.directory, loaded, options, observer);
  const began = performance.now();
  const session = await openSession(loaded, options);
  const dataSeconds = (performance.now() - began) / 1000;
  const initial = initialParameters(loaded, session.spec);
  const directory = createDirectory(loaded, options);
  const { signal, pauseAfterEpoch } = options;
  const state = new RunState();
  const conduct = { loaded, session, directory, observer, signal, pauseAfterEpoch, began, state };
  const beginning: Beginning = {
    open: () => {
      const facts = manifestFacts(loaded, session, { ...options, runId: directory.id });
      directory.writeManifest(describeRun(facts, directory.path));
      const events = RunEvents.open(directory.files.log, loaded, session);
      events.started(directory.id);
      events.dataReady(dataSeconds);
      return events;
    },
    place: (trainer, events) => {
      trainer.parameters.set(initial);
      events.compiled();
      events.warnings(observer);
      return undefined;
    },
  };
  return whileLocked(directory.files.lock, () => conductRun(conduct, beginning));
}

/** Throws exit 2 where what has begun in `directory` is another experiment. */
async function goOn(
  directory: string,
  loaded: LoadedExperiment,
  options: RunOptions,
  observer: RunObserver,
): Promise<RunResult> {
  const begun = RunDirectory.open(directory).readManifest();
  if (begun?.config_hash !== loaded.hash) {
    throw usageError({
      code: 'run/other-config',
      message: 'the run in this directory was started with another config',
      file: directory,
      expected: `hash ${loaded.hash}, or another directory`,
      got: begun?.config_hash,
    });
  }
  return resumeExperiment(directory, { ...options, set: [], allowChange: [], strict: false }, observer);
}

function createDirectory(loaded: LoadedExperiment, { output, directory, started }: RunOptions): RunDirectory {
  const { givenYaml, resolvedYaml, hash: configHash } = loaded;
  if (directory !== undefined) return RunDirectory.createAt(directory, { givenYaml, resolvedYaml });
  const { name } = loaded.experiment;
  return RunDirectory.create({ name, outputRoot: output, configHash, givenYaml, resolvedYaml, started });
}
