/** Starts a new run from a loaded config, or resumes one, whose results are then the same. */

import { effectsOf, type LoadedExperiment } from '../config/index.js';
import type { BackendRequest } from '../engine/backend-names.js';
import { dirname, fs } from '../host/index.js';
import { initialWeightsOf } from '../math/model/settings.js';
import { bestOf, latestCheckpoint, listCheckpoints } from '../run/checkpoints.js';
import { checkName, RunDirectory } from '../run/directory.js';
import { isAbsent, removeTemporaryFiles } from '../run/files.js';
import { damageOf, isAtEnd, logDamage, readLogEnd, refuseDamage, refuseForeign } from '../run/integrity.js';
import { whileLocked } from '../run/lock.js';
import { cutLog, lastRecord, readEvents } from '../run/log.js';
import { type Manifest, versions } from '../run/manifest.js';
import { isGivenConfigEdited, Run } from '../run/run.js';
import type { Summary } from '../run/summary.js';
import { caught, damagedError, type ExitCode, UserError, usageError } from '../util/errors.js';
import { settleBackend } from './backend-choice.js';
import {
  backendFacts,
  changedManifest,
  checkAllowed,
  checkResumable,
  checkSameData,
  checkUse,
  configChanges,
  fittedBy,
  gitState,
  inWords,
  machineChanges,
  newManifest,
  refuseImpossible,
  refuseLostCheckpoints,
  refuseOtherConfig,
  widthChanges,
} from './changes.js';
import { logCheckpoint, savedState } from './checkpoints.js';
import { type InitialWeights, initialWeights } from './initial-weights.js';
import { TrainingState } from './loop.js';
import { defaultLogEvery, planRun, watchedMetrics } from './plan.js';
import { openEvents, type RunObserver, type RunResult } from './recorder.js';
import { type BackendOptions, openSession, readGates, type Session, withGateOrigins } from './session.js';
import { timesSoFar } from './timing.js';
import { type RunContext, trainRun } from './train.js';

export interface ResumeOptions
  extends Pick<RunOptions, 'threads' | 'width' | 'started' | 'pauseAfterEpoch' | 'signal'> {
  /** Undefined or `auto`: the backend that the run started with. */
  readonly backend: BackendRequest | undefined;
  /** Overrides of the run's config, `key.path=value`. */
  readonly set: readonly string[];
  /** Keys, or prefixes of keys, that may change although results will differ. */
  readonly allowChange: readonly string[];
  /** True if a damaged checkpoint is an error rather than a warning. */
  readonly strict: boolean;
}

/** From its newest intact checkpoint, or from the start if it has none. */
export async function resumeExperiment(
  path: string,
  options: ResumeOptions,
  observer: RunObserver,
): Promise<RunResult> {
  const run = Run.open(path);
  return whileLocked(run.directory.files.lock, () => resumeLocked(run, options, observer));
}

async function resumeLocked(run: Run, options: ResumeOptions, observer: RunObserver): Promise<RunResult> {
  const began = performance.now();
  const { directory } = run;
  const { allowChange, threads, width, started } = options;
  const manifest = manifestOf(run);
  const { run_id: runId } = manifest;
  const left = leftSummary(run, runId, options);
  run.refuseChanges();
  removeTemporaryFiles(directory.path);
  directory.settleResolvedConfig(manifest);
  const before = run.experiment();
  const frozen = options.set.length > 0 ? run.experiment(options.set) : before;
  const edits = configChanges(before, frozen);
  const hasOtherGates = edits.some(({ key }) => /^gates(\.|$)/.test(key));
  const loaded = hasOtherGates ? frozen : withGateOrigins(frozen, manifest.gate_origins);
  refuseImpossible(edits, allowChange, loaded);
  // what it computes on was measured when it started
  const asked = options.backend === 'auto' ? undefined : options.backend;
  const backend = asked ?? (manifest.backend.name as BackendRequest);
  // a portable run stays portable; every machine can round like this
  const portable = backend === 'webasm' && manifest.backend.arithmetic === 'separate';
  const opened = await openSession(loaded, { threads, width, backend, portable, ...fittedBy(manifest) });
  const session = await settleBackend(loaded, opened);
  const isOtherData = edits.some(({ key }) => effectsOf(key, loaded.experiment).includes('data'));
  if (!isOtherData) checkSameData(session.dataset, manifest);
  const dataSeconds = (performance.now() - began) / 1000;
  const runsOn = backendFacts(session);
  const alters = [...edits, ...machineChanges(manifest, { backend: runsOn, versions: versions() })];
  const atEnd = isAtEnd(directory) ? left.summary : undefined;
  const log = readLogEnd(directory.files.log, runId);
  // an allowed key that has not changed is refused below, even if the run is complete
  if (alters.length === 0 && allowChange.length === 0 && atEnd?.status === 'completed') {
    refuseDamage(directory, damageOf(directory, manifest, atEnd, log));
    observer.line?.(COMPLETE);
    // the directory may have been moved or copied since
    return { exitCode: atEnd.exit_code as ExitCode, summary: { ...atEnd, directory: directory.path } };
  }
  if (log) refuseDamage(directory, logDamage(log, atEnd));
  const gates = readGates(loaded, path => {
    const copy = directory.baselineCopy(path);
    return isAbsent(copy) ? path : copy;
  });
  const { checkpoint, whole, damaged, setAside } = latestCheckpoint(directory.files.checkpoints, options);
  refuseForeign(whole, manifest);
  const changes = [...alters, ...widthChanges(manifest, runsOn)];
  const start = checkpoint && { checkpoint, saved: savedState(checkpoint) };
  // impossible changes are reported before the user is asked to allow others
  if (start) checkResumable(start, loaded, session, changes);
  else refuseLostCheckpoints(directory);
  checkAllowed(changes, allowChange, loaded);
  if (start) checkUse(start.saved, loaded, session, changes);
  const records = readEvents(directory.files.log);
  const spent = timesSoFar(records, left.summary);
  const step = checkpoint?.step ?? 0;
  const state = new TrainingState(watchedMetrics(loaded.experiment), spent);
  // the config's interval, else the one that the run started with
  const logEvery =
    loaded.experiment.training.log_every ??
    manifest.log_every ??
    defaultLogEvery(planRun(loaded, session).totalSteps);
  const first = start ? undefined : firstWeights(loaded, session);
  const context: RunContext = {
    ...{ loaded, session, gates, directory, runId, observer, options, began, state, logEvery },
    weights: first?.loaded,
  };
  return trainRun(context, start ?? (first as InitialWeights).parameters, () => {
    setAside();
    const evaluationIsDue = start?.saved.evaluated === false;
    const hasValidation = session.dataset.validation !== undefined;
    const cut = cutLog(directory.files.log, { step, evaluationIsDue, hasValidation });
    // not before the log is cut: while it has its end, the manifest must match the summary
    const at = { time: started.toISOString(), step };
    if (changes.length > 0)
      directory.changeConfig(loaded.resolvedYaml, changedManifest(context, manifest, changes, at));
    for (const event of records.slice(0, cut.seq)) state.best.addEvent(event);
    const events = openEvents(context, cut.seq);
    events.begin(dataSeconds, cut.kept);
    events.emit({
      event: 'run.resume',
      run_id: runId,
      step,
      config_hash: loaded.hash,
      version: versions().cellrun,
      replaced_records: cut.replaced,
      replaced_file: cut.replacedFile,
      changes: changes.length > 0 ? changes.map(inWords).join('; ') : null,
      ...spent,
    });
    if (!start) for (const { code, message } of session.warnings) events.warn(code, message);
    if (cut.lostHistory) {
      const rest = cut.replacedFile === null ? '' : `; the remaining ones are in ${cut.replacedFile}`;
      events.warn('log/lost', `log.jsonl has lost records from before the checkpoint${rest}`);
    }
    for (const { message, file } of damaged)
      events.warn('checkpoint/damaged', `${file} is skipped: ${message}`);
    if (left.problem !== undefined) events.warn('run/summary', left.problem);
    const { original } = run;
    // not logged: the log must equal an uninterrupted run's; reviews recognize a copy by its
    // manifest
    if (original !== undefined)
      observer.warning(
        `this directory is a copy of the run in ${original}: both keep the same run id but will have separate results`,
      );
    if (isGivenConfigEdited(directory, manifest)) events.warn('config/edited', EDITED);
    // its process was killed after writing it and before logging it
    if (start && !cut.saved) {
      const best = bestOf(listCheckpoints(directory.files.checkpoints))?.step === step;
      const { metric, temporary, path } = start.checkpoint;
      const bytes = fs.statSync(path).size;
      const written = { path, bytes, best, value: metric.value, temporary, seconds: 0 };
      logCheckpoint(context, events, start.saved.position, written);
    }
    return events;
  });
}

/** A run without a checkpoint starts over, from its initial weights. */
function firstWeights(loaded: LoadedExperiment, { spec, dataset }: Session): InitialWeights {
  const from = initialWeightsOf(loaded.experiment.model);
  if (from === undefined || !isAbsent(from.path)) return initialWeights(loaded, spec, dataset.vocabulary);
  throw usageError(
    'resume/no-initial-weights',
    'the initial weights of this run are missing; they are needed because it stopped before its first checkpoint, so it starts over',
    { file: from.path, expected: 'what `model.init_from` named when the run started' },
  );
}

const COMPLETE = 'Nothing to resume: the run is complete. To train longer, add --set training.num_epochs=N.';
const EDITED =
  'config.yaml was edited after the run started and is ignored: a run resumes from config.resolved.yaml; use --set to change a key';

function manifestOf({ manifest, directory }: Run): Manifest {
  if (manifest) return manifest;
  directory.refuseLostManifest();
  throw usageError(
    'resume/not-begun',
    'this run stopped before it wrote its manifest, so there is nothing to resume',
    {
      file: directory.path,
      expected: 'run its command again; its config is config.resolved.yaml in this directory',
    },
  );
}

/** The summary of the last process, or why it is unusable: then it is replaced at the end. */
function leftSummary(
  run: Run,
  runId: string,
  { strict }: ResumeOptions,
): { readonly summary?: Summary | undefined; readonly problem?: string } {
  const read = caught(() => run.summary);
  const problem = read instanceof UserError ? read : read && otherSummary(run, read, runId);
  if (problem === undefined) return { summary: run.summary };
  if (strict) throw problem;
  return { problem: `${problem.message}; it is ignored, and the times of its process are lost` };
}

/** Why this is not the summary that the run wrote; undefined if it is, as far as is known. */
function otherSummary({ directory }: Run, { run_id }: Summary, runId: string): UserError | undefined {
  const { log, summary: file } = directory.files;
  const code = 'run/summary-changed';
  if (run_id !== runId) return damagedError(code, `this is the summary of another run, ${run_id}`, { file });
  const end = lastRecord(log);
  if (end?.event !== 'run.end' || end.summary_sha256 === directory.digestOf('summary.json')) return undefined;
  return damagedError(code, 'this file does not match its digest in log.jsonl', { file });
}

export type { RunObserver, RunResult } from './recorder.js';

export interface RunOptions extends BackendOptions {
  readonly output: string;
  /**
   * Directory of the run, instead of a new one under `output`. Resumes the run that it contains.
   */
  readonly directory?: string | undefined;
  /** Pause after this many epochs have been trained and evaluated. */
  readonly pauseAfterEpoch?: number | undefined;
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
  const session = await settleBackend(loaded, await openSession(loaded, options));
  const dataSeconds = (performance.now() - began) / 1000;
  const gates = readGates(loaded);
  const logEvery =
    loaded.experiment.training.log_every ?? defaultLogEvery(planRun(loaded, session).totalSteps);
  const { parameters: initial, loaded: weights } = initialWeights(
    loaded,
    session.spec,
    session.dataset.vocabulary,
  );
  const git = await asked;
  const directory = makeDirectory(loaded, options);
  const state = new TrainingState(watchedMetrics(loaded.experiment));
  const context: RunContext = {
    ...{ loaded, session, gates, directory, observer, options, began, state, logEvery, weights },
    runId: directory.id,
  };
  const begun = await whileLocked(directory.files.lock, async () => {
    if (options.directory !== undefined) {
      // another process may have run here while this one read the data
      if (directory.isResumable) return undefined;
      directory.takeConfigs(loaded);
    }
    return trainRun(context, initial, () => {
      directory.write('manifest', newManifest(context, options, git));
      const events = openEvents(context);
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
  refuseOtherConfig(Run.open(directory), loaded);
  return resumeExperiment(directory, { ...options, set: [], allowChange: [], strict: false }, observer);
}

function makeDirectory(loaded: LoadedExperiment, { output, directory, started }: RunOptions): RunDirectory {
  if (directory !== undefined) return RunDirectory.at(directory);
  const {
    locator,
    hash,
    experiment: { name },
  } = loaded;
  checkName(name, locator.atValue(['name'], 'run/name', ''));
  return RunDirectory.create({ ...loaded, name, outputRoot: output, configHash: hash, started });
}
