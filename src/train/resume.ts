/** Resumes a run. All later results are byte-identical to an uninterrupted run's. */
import { renameSync, statSync } from 'node:fs';
import { effectsOf, type LoadedExperiment, loadExperiment } from '../config/index.js';
import type { BackendRequest } from '../engine/backend-names.js';
import type { Width } from '../engine/simd-target.js';
import { bestOf, type Checkpoint, type CheckpointHeader, listCheckpoints } from '../run/checkpoint-files.js';
import { latestCheckpoint } from '../run/checkpoints.js';
import type { RunDirectory } from '../run/directory.js';
import { withFileErrors } from '../run/file-errors.js';
import { isAbsent } from '../run/files.js';
import {
  damageOf,
  FOREIGN,
  foreignStepHash,
  isAtEnd,
  logDamage,
  ownStepHashes,
  readLogEnd,
  refuseDamage,
  refuseForeign,
} from '../run/integrity.js';
import { refuseUnlessOwned, whileLocked } from '../run/lock.js';
import { type CutLog, cutLog, lastRecord, readEvents } from '../run/log.js';
import type { Manifest } from '../run/manifest.js';
import { versions } from '../run/manifest.js';
import { frozenConfig, frozenOptions, isGivenConfigEdited, Run } from '../run/run.js';
import { timesSoFar } from '../run/run-times.js';
import type { Summary } from '../run/summary.js';
import { damagedError, type ExitCode, type UserError, usageError } from '../util/errors.js';
import {
  type Change,
  checkAllowed,
  configChanges,
  inWords,
  machineChanges,
  refuseImpossible,
  widthChanges,
} from './changes.js';
import { type SavedState, savedState } from './checkpoints.js';
import { watchedMetrics } from './early-stopping.js';
import { RunEvents } from './events.js';
import { gateOrigins, withGateOrigins } from './gates.js';
import { TrainingState } from './loop.js';
import { backendFacts, dataRecord, resolvedDigest } from './manifest.js';
import { batchOrder, defaultLogEvery, totalSteps } from './plan.js';
import type { RunObserver, RunResult } from './recorder.js';
import { checkResumable, checkUse } from './resumable.js';
import { checkSameData, digestChanges, fittedBy } from './same-data.js';
import { initialParameters, openSession, type Session } from './session.js';
import { trainRun } from './train.js';
import type { Trainer } from './trainer.js';
import { restoreTraining } from './weights.js';

export interface ResumeOptions {
  /** Undefined: the backend that the run started with. */
  readonly backend: BackendRequest | undefined;
  readonly threads: number | undefined;
  /** Undefined: the fastest on this machine. */
  readonly width?: Width | undefined;
  /** Overrides of the run's config, `key.path=value`. */
  readonly set: readonly string[];
  /** Keys, or prefixes of keys, that may change although results will differ. */
  readonly allowChange: readonly string[];
  /** True if a damaged checkpoint is an error rather than a warning. */
  readonly strict: boolean;
  readonly commandLine: readonly string[];
  readonly started: Date;
  /** Pause after this many epochs have been trained and evaluated. */
  readonly pauseAfterEpoch?: number;
  /** Aborted to stop the run after the current step. */
  readonly signal: AbortSignal;
}

/**
 * Resumes the run in the directory `path` from its newest intact checkpoint, or from the start if
 * it has none. Returns the existing result if the run is already complete.
 * @throws UserError (exit 2) if `path` is no run or is in use, or if a change that alters results
 *   is not allowed
 * @throws UserError (exit 5) if its files or data are damaged
 */
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
  const manifest = manifestOf(run);
  const { run_id: runId } = manifest;
  const left = leftSummary(run, runId, options);
  run.refuseChanges();
  directory.removeTemporaryFiles();
  const { before, loaded: frozen } = loadConfigs(directory, manifest, options);
  const edits = configChanges(before, frozen);
  const hasOtherGates = edits.some(({ key }) => /^gates(\.|$)/.test(key));
  const loaded = hasOtherGates ? frozen : withGateOrigins(frozen, manifest.gate_origins);
  refuseImpossible(edits, options.allowChange, loaded);
  const backend = options.backend ?? (manifest.backend.name as BackendRequest);
  const { threads, width } = options;
  const session = await openSession(loaded, {
    backend,
    threads,
    width,
    ...fittedBy(manifest),
    baselineAt: path => keptBaseline(directory, path),
  });
  const isOtherData = edits.some(({ key }) => effectsOf(key, loaded.experiment).includes('data'));
  if (!isOtherData) checkSameData(session.dataset, manifest);
  const dataSeconds = (performance.now() - began) / 1000;
  const runsOn = backendFacts(session);
  const alters = [...edits, ...machineChanges(manifest, { backend: runsOn, versions: versions() })];
  // an allowed key that has not changed is refused below, even if the run is complete
  const asksNothing = alters.length === 0 && options.allowChange.length === 0;
  const atEnd = isAtEnd(directory) ? left.summary : undefined;
  const log = readLogEnd(directory.files.log, runId);
  if (asksNothing && atEnd?.status === 'completed') {
    refuseDamage(directory, damageOf(directory, manifest, atEnd, log));
    observer.line(COMPLETE);
    reportMissing(directory, atEnd, options, observer);
    // the directory may have been moved or copied since
    return { exitCode: atEnd.exit_code as ExitCode, summary: { ...atEnd, directory: directory.path } };
  }
  if (log) refuseDamage(directory, logDamage(log, atEnd));
  const { checkpoint, whole, damaged, setAside } = latestCheckpoint(directory.files.checkpoints, options);
  const foreign = foreignChange(manifest, { whole, checkpoint, ...options });
  const changes = [...alters, ...foreign, ...widthChanges(manifest, runsOn)];
  const saved = checkpoint && savedState(checkpoint.path, checkpoint);
  // impossible changes are reported before the user is asked to allow others
  const wanted = { loaded, session, changes };
  checkResumable(directory, checkpoint, saved, wanted);
  checkAllowed(changes, options.allowChange, loaded);
  checkUse(saved, wanted);
  const spent = timesSoFar(
    readEvents(directory.files.log),
    left.summary,
    loaded.experiment.training.batch_size,
  );
  const step = saved?.position.step ?? 0;
  const evaluationIsDue = saved?.evaluated === false;
  const state = new TrainingState(watchedMetrics(loaded.experiment), spent);
  const { signal, pauseAfterEpoch } = options;
  const logEvery = intervalOf(manifest, loaded, session);
  return trainRun(
    { loaded, session, directory, runId, observer, signal, pauseAfterEpoch, began, state, logEvery },
    {
      open: () => {
        setAside();
        left.setAside();
        const hasValidation = session.dataset.validation !== undefined;
        const cut = cutLog(directory.files.log, { step, evaluationIsDue, hasValidation });
        // not before the log is cut: while it has its end, the manifest must match the summary
        if (changes.length > 0)
          recordChanges(directory, manifest, { loaded, session }, { changes, step, time: options.started });
        for (const event of readEvents(directory.files.log)) state.best.addEvent(event);
        const events = RunEvents.open(directory.files.log, loaded, session, cut.seq);
        if (!cut.kept.has('run.start')) events.started(runId);
        if (!cut.kept.has('data.ready')) events.dataReady(dataSeconds);
        events.resumed(runId, step, cut, { changes: changes.map(inWords), before: spent });
        if (cut.lostHistory) events.warn('log/lost', lostHistory(cut), observer);
        for (const { message, file } of damaged)
          events.warn('checkpoint/damaged', `${file} is left out: ${message}`, observer);
        if (left.problem !== undefined) events.warn('run/summary', left.problem, observer);
        const original = directory.originalBy(manifest);
        // not logged: the log must equal an uninterrupted run's; reviews recognize a copy by its
        // manifest
        if (original !== undefined) observer.warning(copySentence(original));
        if (isGivenConfigEdited(directory, manifest)) events.warn('config/edited', EDITED, observer);
        if (!cut.kept.has('graph.compiled')) events.compiled();
        if (checkpoint && saved && !cut.saved) logCheckpoint(events, directory, checkpoint, saved);
        return events;
      },
      prepare: (trainer, events) => {
        if (checkpoint && saved) return restore(trainer, state, checkpoint, saved);
        trainer.parameters.set(initialParameters(loaded, session.spec));
        events.warnings(observer);
      },
    },
  );
}

/** The run's own copy of the baseline at `path`, if it has one. */
function keptBaseline(directory: RunDirectory, path: string): string {
  const copy = directory.baselineCopy(path);
  return isAbsent(copy) ? path : copy;
}

/**
 * Warns about checkpoints that the summary of a complete run names but that no longer exist.
 * @throws UserError (exit 5) if there are any and `strict` is set
 */
function reportMissing(
  directory: RunDirectory,
  { checkpoints }: Summary,
  { strict }: { readonly strict: boolean },
  observer: RunObserver,
): void {
  const names = [...new Set(Object.values(checkpoints))].filter(name => name !== null);
  const missing = names.map(name => directory.pathOf(name)).filter(isAbsent);
  if (missing.length === 0) return;
  const message = 'the run is complete, but this checkpoint is missing';
  if (strict) throw damagedError(...missing.map(file => ({ code: 'checkpoint/gone', message, file })));
  for (const file of missing) observer.warning(`${file}: ${message}`);
}

/**
 * Returns the change to record if the newest checkpoint is another run's and this is allowed by
 * name.
 * @throws UserError (exit 5) if a checkpoint is another run's
 */
function foreignChange(
  manifest: Manifest,
  {
    whole,
    checkpoint,
    allowChange,
  }: {
    readonly whole: readonly CheckpointHeader[];
    readonly checkpoint: Checkpoint | undefined;
    readonly allowChange: readonly string[];
  },
): Change[] {
  const from = checkpoint && foreignStepHash(checkpoint, manifest);
  if (from !== undefined && allowChange.includes(FOREIGN))
    return [{ key: FOREIGN, from: manifest.step_hash, to: from }];
  refuseForeign(
    whole,
    manifest,
    `, or --allow-change ${FOREIGN} to resume from it, which the manifest records`,
  );
  return [];
}

const COMPLETE = 'Nothing to resume: the run is complete. To train longer, add --set training.num_epochs=N.';

/**
 * @throws UserError (exit 2) if the run stopped before it wrote a manifest
 * @throws UserError (exit 5) if the manifest was lost
 */
function manifestOf({ manifest, directory }: Run): Manifest {
  if (manifest) return manifest;
  directory.refuseLostManifest();
  throw usageError({
    code: 'resume/not-begun',
    message: 'this run stopped before it wrote its manifest, so there is nothing to resume',
    file: directory.path,
    expected: 'run its command again; its config is config.resolved.yaml in this directory',
  });
}

/** The summary that a run's last process wrote. A resume reads its times, but can do without it. */
interface LeftSummary {
  /** Undefined if missing or unusable. */
  readonly summary: Summary | undefined;
  /** Why an existing summary is unusable. */
  readonly problem: string | undefined;
  /**
   * Renames an unusable summary to `*.damaged`.
   * @throws UserError (exit 1) if the system refuses
   */
  setAside(): void;
}

/**
 * Reads the summary without changing anything.
 * @throws UserError (exit 2 or 5) if it is unusable and `strict` is set
 */
function leftSummary(run: Run, runId: string, { strict }: { readonly strict: boolean }): LeftSummary {
  const { summary: path } = run.directory.files;
  const read = run.read('summary');
  const summary = 'value' in read ? read.value : undefined;
  const problem = 'problem' in read ? read.problem : summary && otherSummary(run, summary, runId);
  if (problem === undefined) return { summary, problem, setAside: () => {} };
  if (strict) throw problem;
  return {
    summary: undefined,
    problem: `${problem.message}; it is renamed, and the times of its process are lost`,
    setAside: () => {
      refuseUnlessOwned(path);
      withFileErrors(path, () => renameSync(path, `${path}.damaged`));
    },
  };
}

/** Why this is not the summary that the run wrote; undefined if it is, as far as is known. */
function otherSummary({ directory }: Run, { run_id }: Summary, runId: string): UserError | undefined {
  const { log, summary: file } = directory.files;
  const code = 'run/summary-changed';
  if (run_id !== runId)
    return damagedError({ code, message: `this is the summary of another run, ${run_id}`, file });
  const end = lastRecord(log);
  if (end?.event !== 'run.end' || end.summary_sha256 === directory.digestOf('summary.json')) return undefined;
  return damagedError({ code, message: 'this file does not match its digest in log.jsonl', file });
}

/** Loads the run's config without and with the overrides. */
function loadConfigs(
  directory: RunDirectory,
  manifest: Manifest,
  { set }: ResumeOptions,
): { before: LoadedExperiment; loaded: LoadedExperiment } {
  const options = frozenOptions(directory, manifest);
  directory.settleResolvedConfig(manifest);
  const before = frozenConfig(directory, manifest);
  const { resolvedConfig } = directory.files;
  return { before, loaded: set.length > 0 ? loadExperiment(resolvedConfig, { set, ...options }) : before };
}

const EDITED =
  'config.yaml was edited after the run started and is ignored: a run resumes from config.resolved.yaml; use --set to change a key';

function copySentence(original: string): string {
  return `this directory is a copy of the run in ${original}: both keep the same run id but will have separate results`;
}

function lostHistory({ replacedFile }: CutLog): string {
  const rest = replacedFile === null ? '' : `; the remaining ones are in ${replacedFile}`;
  return `log.jsonl has lost records from before the checkpoint${rest}`;
}

/**
 * Steps between logged steps from now on: the config's value, else the one that the run started
 * with.
 */
function intervalOf({ log_every }: Manifest, loaded: LoadedExperiment, session: Session): number {
  const given = loaded.experiment.training.log_every ?? log_every;
  return given ?? defaultLogEvery(totalSteps(loaded, batchOrder(loaded, session)));
}

/** Records the changes in the manifest, which the next resume compares with. */
function recordChanges(
  directory: RunDirectory,
  manifest: Manifest,
  { loaded, session }: { loaded: LoadedExperiment; session: Session },
  { changes, step, time }: { changes: readonly Change[]; step: number; time: Date },
): void {
  const { digests } = session.dataset;
  const known = new Map(manifest.datasets.map(({ name, sha256 }) => [name, sha256]));
  const data = digestChanges(digests, manifest.datasets).map(({ name, sha256 }) => ({
    key: `datasets.${name}`,
    from: known.get(name) ?? null,
    to: sha256,
  }));
  const recorded = [...changes, ...data].map(change => ({ time: time.toISOString(), step, ...change }));
  directory.changeConfig(loaded.resolvedYaml, {
    ...manifest,
    config_hash: loaded.hash,
    ...stepHashes(manifest, loaded, changes),
    digests: {
      ...manifest.digests,
      ...resolvedDigest(directory, loaded),
      ...directory.keepBaselines(session.baselines),
    },
    gate_origins: gateOrigins(loaded),
    datasets: digests,
    data: dataRecord(session),
    changes: [...(manifest.changes ?? []), ...recorded],
  });
}

/** Step hashes that the run's checkpoints may have from now on. */
function stepHashes(
  manifest: Manifest,
  { stepHash }: LoadedExperiment,
  changes: readonly Change[],
): Pick<Manifest, 'step_hash' | 'earlier_step_hashes'> {
  const foreign = changes.flatMap(({ key, to }) => (key === FOREIGN && typeof to === 'string' ? [to] : []));
  const earlier = [...ownStepHashes(manifest), ...foreign].filter(hash => hash !== stepHash);
  return { step_hash: stepHash, ...(earlier.length > 0 && { earlier_step_hashes: earlier }) };
}

/** Logs a checkpoint whose process was killed after writing it and before logging it. */
function logCheckpoint(
  events: RunEvents,
  directory: RunDirectory,
  { path, step, metric, temporary }: Checkpoint,
  { position }: SavedState,
): void {
  const best = bestOf(listCheckpoints(directory.files.checkpoints))?.step === step;
  const { size } = statSync(path);
  events.saved(position, {
    path: directory.nameOf(path),
    bytes: size,
    value: metric.value,
    best,
    temporary,
    seconds: 0,
  });
}

function restore(trainer: Trainer, state: TrainingState, checkpoint: Checkpoint, saved: SavedState): void {
  trainer.restoreCarriedStates(restoreTraining(checkpoint.tensors, trainer.layout, trainer));
  state.position = saved.position;
  state.metrics = saved.metrics;
  state.evaluated = saved.evaluated;
  state.history.restore(saved.history);
}
