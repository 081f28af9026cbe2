/**
 * Checks the evidence of a stopped run: its summary, log and checkpoints must be its own and must
 * not contradict each other.
 */
import { join } from 'node:path';
import type { LoadedExperiment } from '../../config/index.js';
import { type Checkpoint, listCheckpoints } from '../../run/checkpoint-files.js';
import type { RunDirectory } from '../../run/directory.js';
import { isAbsent } from '../../run/files.js';
import {
  CheckpointProof,
  FOREIGN,
  foreignStepHash,
  otherMetric,
  ownStepHashes,
  refuseForeign,
  type SavedCheckpoint,
} from '../../run/identity.js';
import { type LoggedEvent, logDigest, readEvents } from '../../run/log.js';
import type { Manifest } from '../../run/manifest.js';
import type { Summary } from '../../run/summary.js';
import { damagedError, type ExitCode, UserError } from '../../util/errors.js';
import type { RunObserver, RunResult } from '../observer.js';
import type { Change } from './changes.js';

/**
 * The result of a complete run; undefined if work is left, which may be only the closing record
 * that a killed process did not write.
 */
export function completeResult(directory: RunDirectory, summary: Summary | undefined): RunResult | undefined {
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
export function contradicts(
  saved: readonly SavedCheckpoint[],
  summary: Summary,
  { changes }: Manifest,
): boolean {
  const end = saved.find(({ step }) => step === (summary.restored?.step ?? summary.steps));
  if (end === undefined || changes?.some(({ key }) => key === FOREIGN)) return false;
  return otherMetric(end, summary) !== undefined;
}

/**
 * Warns about checkpoints that the summary of a complete run names but that no longer exist.
 * @throws UserError (exit 5) if there are any and `strict` is set
 */
export function reportMissing(
  directory: RunDirectory,
  { checkpoints }: Summary,
  { strict }: { readonly strict: boolean },
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
export function readableCheckpoints({ files }: RunDirectory): SavedCheckpoint[] {
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
export function refuseEditedLog(directory: RunDirectory, summary: Summary): void {
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
 * Returns the change to record if the newest checkpoint is another run's and this is allowed by
 * name.
 * @throws UserError (exit 5) if a checkpoint is another run's, or its metrics contradict the log
 */
export function foreignChange(
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
