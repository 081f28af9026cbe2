/** A new run, from a loaded config to its directory. */
import type { LoadedExperiment } from '../config/index.js';
import { describeRun } from '../experiment/manifest.js';
import { RunDirectory } from '../experiment/run-directory.js';
import { lockRun } from '../experiment/run-lock.js';
import { conductRun } from './conduct.js';
import { manifestFacts } from './manifest-facts.js';
import type { RunObserver, RunResult } from './observer.js';
import { RunEvents } from './run-events.js';
import { RunState } from './run-state.js';
import { type BackendOptions, initialParameters, openSession } from './session.js';

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
  const release = lockRun(directory.files.lock);
  const { signal } = options;
  const conduct = { loaded, session, directory, observer, signal, began, state: new RunState() };
  return conductRun(conduct, {
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
  }).finally(release);
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
