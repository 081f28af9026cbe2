/** Resumes a run. All later results are byte-identical to an uninterrupted run's. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type LoadedExperiment, loadExperiment } from '../../config/index.js';
import type { BackendRequest } from '../../engine/backend.js';
import type { Width } from '../../engine/simd/target.js';
import { bestOf, type Checkpoint, listCheckpoints } from '../../experiment/checkpoints/folder.js';
import {
  CheckpointProof,
  FOREIGN,
  foreignStepHash,
  otherMetric,
  ownStepHashes,
  refuseForeign,
  type SavedCheckpoint,
} from '../../experiment/checkpoints/identity.js';
import { latestCheckpoint } from '../../experiment/checkpoints/latest.js';
import { isAbsent } from '../../experiment/files/unreadable.js';
import { whileLocked } from '../../experiment/locks/run-lock.js';
import {
  type CutLog,
  cutLog,
  LOG_LOST,
  type LoggedEvent,
  logDigest,
  readEvents,
} from '../../experiment/log/log-history.js';
import { versions } from '../../experiment/machine.js';
import type { Manifest } from '../../experiment/manifest.js';
import { RunDirectory } from '../../experiment/run-directory.js';
import { timesSoFar } from '../../experiment/run-times.js';
import type { Summary } from '../../experiment/summary.js';
import { damagedError, type ExitCode, UserError, usageError } from '../../util/errors.js';
import { batchOrder, defaultLogEvery, totalSteps } from '../run/batch-plan.js';
import { type SavedState, savedState } from '../run/checkpoint-metadata.js';
import { watchedMetrics } from '../run/early-stopping.js';
import { RunEvents } from '../run/events.js';
import { gateOrigins, withGateOrigins } from '../run/gate-references.js';
import type { LoopStart } from '../run/loop.js';
import { dataRecord, manifestFacts } from '../run/manifest-facts.js';
import type { RunObserver, RunResult } from '../run/observer.js';
import { initialParameters, openSession, type Session } from '../run/session.js';
import { RunState } from '../run/state.js';
import { trainRun } from '../run/train.js';
import type { Trainer } from '../step/trainer.js';
import { restoreTraining } from '../step/weights.js';
import {
  type Change,
  checkAllowed,
  configChanges,
  inWords,
  LOG_EVERY,
  machineChanges,
  refuseImpossible,
  widthChanges,
} from './changes.js';
import { configFolder, frozenConfig, isGivenConfigEdited } from './frozen-config.js';
import { leftSummary } from './left-summary.js';
import { checkResumable, checkUse } from './resumable.js';
import { checkSameData, digestChanges, fittedBy } from './same-data.js';

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
  const directory = RunDirectory.open(path);
  return whileLocked(directory.files.lock, () => resumeLocked(directory, options, observer));
}

async function resumeLocked(
  directory: RunDirectory,
  options: ResumeOptions,
  observer: RunObserver,
): Promise<RunResult> {
  const began = performance.now();
  const manifest = manifestOf(directory);
  const { run_id: runId } = manifest;
  directory.removeTemporaryFiles();
  const { before, loaded: frozen } = loadConfigs(directory, manifest, options);
  const edits = configChanges(before, frozen);
  const hasOtherGates = edits.some(({ key }) => /^gates(\.|$)/.test(key));
  const loaded = hasOtherGates ? frozen : withGateOrigins(frozen, manifest.gate_origins ?? []);
  refuseImpossible(edits, options.allowChange, loaded);
  const backend = options.backend ?? (manifest.backend.name as BackendRequest);
  const { threads, width } = options;
  const session = await openSession(loaded, { backend, threads, width, ...fittedBy(manifest) });
  const isOtherData = edits.some(({ key }) => key.startsWith('dataset.') && key !== 'dataset.memory');
  if (!isOtherData) checkSameData(session.dataset, manifest);
  const dataSeconds = (performance.now() - began) / 1000;
  const { backend: runsOn } = manifestFacts(loaded, session, {
    ...options,
    directory: directory.path,
    runId,
  });
  const alters = [...edits, ...machineChanges(manifest, { backend: runsOn, versions: versions() })];
  const left = leftSummary(directory, runId, options);
  // an allowed key that has not changed is refused below, even if the run is complete
  const asksNothing = alters.length === 0 && options.allowChange.length === 0;
  const complete = asksNothing ? completeResult(directory, left.summary) : undefined;
  if (complete) {
    const saved = readableCheckpoints(directory);
    refuseForeign(saved, ownStepHashes(manifest, manifest.step_hash ?? before.stepHash));
    if (!contradicts(saved, complete.summary, manifest)) {
      observer.line(COMPLETE);
      reportMissing(directory, complete.summary, options, observer);
      return complete;
    }
  }
  const { checkpoint, whole, damaged, setAside } = latestCheckpoint(directory.files.checkpoints, options);
  const foreign = foreignChange(directory, manifest, before, { whole, checkpoint, ...options });
  const changes = [...alters, ...foreign, ...widthChanges(manifest, runsOn)];
  if (left.summary) refuseEditedLog(directory, left.summary);
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
  const state = new RunState(watchedMetrics(loaded.experiment), spent);
  const { signal, pauseAfterEpoch } = options;
  const logEvery = intervalOf(manifest, loaded, session);
  return trainRun(
    { loaded, session, directory, runId, observer, signal, pauseAfterEpoch, began, state, logEvery },
    {
      open: () => {
        setAside();
        left.setAside();
        if (changes.length > 0)
          recordChanges(
            directory,
            manifest,
            { loaded, frozen: before, session },
            { changes, step, time: options.started },
          );
        const expected = {
          epochs: evaluatedEpochs(saved),
          loggedEvery: loggedEvery(manifest, logEvery, changes),
        };
        const cut = cutLog(
          directory.files.log,
          { step, evaluationIsDue, hasValidation: session.dataset.validation !== undefined },
          expected,
        );
        for (const event of readEvents(directory.files.log)) state.best.addEvent(event);
        const events = RunEvents.open(directory.files.log, loaded, session, cut.seq);
        if (!cut.kept.has('run.start')) events.started(runId);
        if (!cut.kept.has('data.ready')) events.dataReady(dataSeconds);
        events.resumed(runId, step, cut, { changes: changes.map(inWords), before: spent });
        if (cut.lostHistory) events.warn(LOG_LOST, lostHistory(cut), observer);
        for (const { code, message, file } of damaged)
          events.warn(
            'checkpoint/damaged',
            `${file}${code === INDEX ? '' : ' is left out'}: ${message}`,
            observer,
          );
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
        return undefined;
      },
    },
  );
}

const COMPLETE = 'Nothing to resume: the run is complete. To train longer, add --set training.num_epochs=N.';

/**
 * The result of a complete run; undefined if work is left, which may be only the closing record
 * that a killed process did not write.
 */
function completeResult(directory: RunDirectory, summary: Summary | undefined): RunResult | undefined {
  if (summary?.status !== 'completed') return undefined;
  const last = readEvents(directory.files.log).at(-1);
  // a summary that contradicts its log may be another run's
  const isBorneOut = last?.event === 'run.end' && last.status === 'completed' && last.steps === summary.steps;
  // if the log is missing, the digest in a summary of this version reveals it
  if ((last && !isBorneOut) || isEdited(directory, summary)) return undefined;
  // the directory may have been moved or copied since
  return { exitCode: summary.exit_code as ExitCode, summary: { ...summary, directory: directory.path } };
}

/**
 * True if the final checkpoint's metric contradicts the summary. Checkpoints of another run that
 * were allowed by name have other metrics and are not checked.
 */
function contradicts(saved: readonly SavedCheckpoint[], summary: Summary, { changes }: Manifest): boolean {
  const end = saved.find(({ step }) => step === (summary.restored?.step ?? summary.steps));
  if (end === undefined || changes?.some(({ key }) => key === FOREIGN)) return false;
  return otherMetric(end, summary) !== undefined;
}

/**
 * Warns about checkpoints that the summary of a complete run names but that no longer exist.
 * @throws UserError (exit 5) if there are any and `strict` is set
 */
function reportMissing(
  directory: RunDirectory,
  { checkpoints }: Summary,
  { strict }: ResumeOptions,
  observer: RunObserver,
): void {
  const missing = [...new Set(Object.values(checkpoints))].flatMap(name => {
    const file = name === null ? undefined : join(directory.path, name);
    return file === undefined || !isAbsent(file) ? [] : [file];
  });
  if (missing.length === 0) return;
  const message = 'the run is complete, but this checkpoint of it is gone';
  if (strict) throw damagedError(...missing.map(file => ({ code: 'checkpoint/gone', message, file })));
  for (const file of missing) observer.warning(`${file}: ${message}`);
}

/** Checkpoints of a complete run; none if the folder is damaged, which cannot change its result. */
function readableCheckpoints({ files }: RunDirectory): SavedCheckpoint[] {
  try {
    return listCheckpoints(files.checkpoints);
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}

/**
 * Checks a log that ends with `run.end` against the digest in its summary. A log without that event
 * was cut by a resume or a kill, so the digest is that of an earlier state.
 * @throws UserError (exit 5) if a line was edited, added or removed
 */
function refuseEditedLog(directory: RunDirectory, summary: Summary): void {
  const { log } = directory.files;
  if (readEvents(log).at(-1)?.event !== 'run.end' || !isEdited(directory, summary)) return;
  throw damagedError({
    code: 'log/edited',
    message: 'the log does not match the digest in the summary: a line was edited, added or removed',
    file: log,
    expected: 'the log restored from a backup; or no log: move it away, and the run resumes with a new one',
  });
}

/** True if the log differs from the one that the summary was written with. */
function isEdited({ files }: RunDirectory, { digests }: Summary): boolean {
  if (!digests?.log) return false;
  const { records, sha256 } = digests.log;
  return logDigest(files.log, records) !== sha256;
}

/**
 * @throws UserError (exit 2) if the run stopped before it wrote a manifest
 * @throws UserError (exit 5) if the manifest was lost
 */
function manifestOf(directory: RunDirectory): Manifest {
  const manifest = directory.readManifest();
  if (manifest) return manifest;
  directory.refuseLostManifest();
  throw usageError({
    code: 'resume/not-begun',
    message: 'this run stopped before it wrote its manifest, so there is nothing to resume',
    file: directory.path,
    expected: 'run its command again; its config is config.resolved.yaml in this directory',
  });
}

/** Loads the run's config without and with the overrides. */
function loadConfigs(
  directory: RunDirectory,
  manifest: Manifest,
  { set }: ResumeOptions,
): { before: LoadedExperiment; loaded: LoadedExperiment } {
  const folder = configFolder(directory, manifest);
  const isCurrent = (file: string) => loadExperiment(file, { folder }).hash === manifest.config_hash;
  directory.settleResolvedConfig(isCurrent);
  const before = frozenConfig(directory, manifest);
  const { resolvedConfig } = directory.files;
  return { before, loaded: set.length > 0 ? loadExperiment(resolvedConfig, { set, folder }) : before };
}

/** Code of index problems, which concern no single checkpoint that could be left out. */
const INDEX = 'checkpoint/index';
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
 * Returns the change to record if the newest checkpoint is another run's and this is allowed by
 * name.
 * @throws UserError (exit 5) if a checkpoint is another run's, or its metrics contradict the log
 */
function foreignChange(
  { files }: RunDirectory,
  manifest: Manifest,
  { stepHash }: LoadedExperiment,
  {
    whole,
    checkpoint,
    allowChange,
  }: {
    readonly whole: readonly SavedCheckpoint[];
    readonly checkpoint: Checkpoint | undefined;
    readonly allowChange: readonly string[];
  },
): Change[] {
  const own = ownStepHashes(manifest, manifest.step_hash ?? stepHash);
  const from = checkpoint && foreignStepHash(checkpoint, own);
  if (from !== undefined && allowChange.includes(FOREIGN))
    return [{ key: FOREIGN, from: manifest.step_hash ?? stepHash, to: from }];
  refuseForeign(whole, own, `, or --allow-change ${FOREIGN} to resume from it, which the manifest records`);
  // checkpoints of another run, allowed by name earlier, have that run's metrics
  if (manifest.changes?.some(({ key }) => key === FOREIGN)) return [];
  const proof = new CheckpointProof(whole);
  for (const event of readEvents(files.log)) {
    refuseOtherLog(event, manifest, files.log);
    proof.add(event);
  }
  const contradictions = proof.contradictions();
  if (contradictions.length === 0) return [];
  throw damagedError(
    ...contradictions.map(({ path, message }) => ({
      code: 'checkpoint/other-metrics',
      message: `this checkpoint contradicts the log: ${message}`,
      file: path,
      expected: 'the checkpoint of this run restored from a backup, or no checkpoint',
    })),
  );
}

/**
 * Checks only `run.start` records: when a renamed run resumed, older versions logged its new name.
 */
function refuseOtherLog({ event, run_id }: LoggedEvent, manifest: Manifest, file: string): void {
  if (event !== 'run.start' || run_id === manifest.run_id) return;
  throw damagedError({
    code: 'log/foreign',
    message: 'this is the log of another run',
    file,
    expected: `the log of ${manifest.run_id} restored from a backup, or no log`,
    got: `that of ${run_id}`,
  });
}

/** Number of epochs whose records were in the log when the checkpoint was written. */
function evaluatedEpochs(saved: SavedState | undefined): number {
  if (saved === undefined) return 0;
  const { epochsDone, epochEnded } = saved.position;
  return epochEnded && !saved.evaluated ? epochsDone - 1 : epochsDone;
}

/**
 * Steps between logged steps from now on: the config's value, else the one that the run started
 * with.
 */
function intervalOf({ log_every }: Manifest, loaded: LoadedExperiment, session: Session): number {
  const given = loaded.experiment.training.log_every ?? log_every;
  return given ?? defaultLogEvery(totalSteps(loaded, batchOrder(loaded, session)));
}

/**
 * All logging intervals of the run so far. A step that is a multiple of all of them was logged in
 * any case.
 */
function loggedEvery(
  { log_every, changes: earlier = [] }: Manifest,
  current: number,
  changes: readonly Change[],
): number[] {
  const changed = [...earlier, ...changes].filter(({ key }) => key === LOG_EVERY);
  const all = [log_every, current, ...changed.flatMap(({ from, to }) => [from, to])];
  return all.filter(every => typeof every === 'number');
}

/** Records the changes in the manifest, which the next resume compares with. */
function recordChanges(
  directory: RunDirectory,
  manifest: Manifest,
  { loaded, frozen, session }: { loaded: LoadedExperiment; frozen: LoadedExperiment; session: Session },
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
    ...stepHashes(manifest, loaded, frozen, changes),
    gate_origins: gateOrigins(loaded),
    datasets: digests,
    data: dataRecord(session),
    changes: [...(manifest.changes ?? []), ...recorded],
  });
}

/**
 * Step hashes that the run's checkpoints may have from now on. Empty if an older version did not
 * record the earlier ones.
 */
function stepHashes(
  manifest: Manifest,
  { stepHash }: LoadedExperiment,
  before: LoadedExperiment,
  changes: readonly Change[],
): Pick<Manifest, 'step_hash' | 'earlier_step_hashes'> {
  const known = ownStepHashes(manifest, manifest.step_hash ?? before.stepHash);
  if (known === undefined) return {};
  const foreign = changes.flatMap(({ key, to }) => (key === FOREIGN && typeof to === 'string' ? [to] : []));
  const earlier = [...new Set([...known, ...foreign])].filter(hash => hash !== stepHash);
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

function restore(trainer: Trainer, state: RunState, checkpoint: Checkpoint, saved: SavedState): LoopStart {
  trainer.restoreCarriedStates(restoreTraining(checkpoint.tensors, trainer.layout, trainer));
  state.position = saved.position;
  state.metrics = saved.metrics;
  state.evaluated = saved.evaluated;
  state.history.restore(saved.history);
  return { position: saved.position, evaluated: saved.evaluated };
}
