/**
 * What ties the files of a run together, so that a damaged or mixed-up file is noticed.
 *
 * - One SHA-256 of each file that the run wrote. Those of the files written at its start are in
 *   `manifest.json`, those of all others in `summary.json`; `run.end`, the last record of the log,
 *   has that of `summary.json`. A killed run has no summary; there, the digests within each
 *   checkpoint are checked, as whenever one is read.
 * - One identity: `run_id` in the manifest and the log; `step_hash`, the hash of everything that
 *   determines a training step (config, seed, data), in the manifest and the checkpoints. They have
 *   no run name, so that equal runs have byte-identical checkpoints.
 *
 * docs/internals/invariants.md says what this protects against, and what it does not.
 */
import { createHash } from '../host/index.js';
import { damagedErrors } from '../util/errors.js';
import { type CheckpointHeader, checkpointNames, indexPath } from './checkpoints.js';
import type { RunDirectory } from './directory.js';
import { isAbsent } from './files.js';
import { eachLine } from './lines.js';
import { type DamagedLine, type LogRecord, lastRecord, parseEvent } from './log.js';
import type { Manifest } from './manifest.js';
import type { Summary } from './summary.js';

type FileDigests = Readonly<Record<string, string>>;

interface Damage {
  readonly file: string;
  readonly what: string;
}

/** The digests for `summary.json`, of the existing files that a run writes until its end. */
export function writtenDigests(directory: RunDirectory): FileDigests {
  const { manifest, evaluation, confidence, checkpoints } = directory.files;
  const names = [manifest, evaluation, confidence, indexPath(checkpoints)].map(path =>
    directory.nameOf(path),
  );
  names.push(...checkpointNames(checkpoints).map(name => `${directory.nameOf(checkpoints)}/${name}`));
  const digests = names.map(name => [name, directory.digestOf(name)] as const);
  return Object.fromEntries(digests.flatMap(([name, sha256]) => (sha256 ? [[name, sha256]] : [])));
}

/** Missing files are no damage: a run may be kept without its weights. */
export function changedFiles(directory: RunDirectory, digests: FileDigests, from: string): Damage[] {
  const what = `does not match its digest in ${from}`;
  return Object.entries(digests).flatMap(([file, sha256]) => {
    const found = directory.digestOf(file);
    return found === undefined || found === sha256 ? [] : [{ file, what }];
  });
}

/**
 * Files written at the start of a run that have changed, but for `config.yaml`, which nothing is
 * computed from: only a review of the files checks it.
 */
export function changedInputs(directory: RunDirectory, { digests }: Pick<Manifest, 'digests'>): Damage[] {
  const { [directory.nameOf(directory.files.config)]: _, ...others } = digests;
  return changedSinceStart(directory, others);
}

/** A config that a killed resume was about to replace is still under another name. */
function changedSinceStart(directory: RunDirectory, digests: FileDigests): Damage[] {
  const { resolvedConfig } = directory.files;
  const isReplaced = directory.currentConfig({ digests }) !== resolvedConfig;
  return changedFiles(directory, digests, 'manifest.json').filter(
    ({ file }) => !(isReplaced && file === directory.nameOf(resolvedConfig)),
  );
}

type LogEnd = NonNullable<ReturnType<typeof readLogEnd>>;

const PIECE = 1 << 16;

/** Reads the log of a run; undefined if there is none. @param runId from the manifest */
export function readLogEnd(
  path: string,
  runId: string | undefined,
  visit: (record: LogRecord) => void = () => {},
  damaged: (line: DamagedLine) => void = () => {},
) {
  if (isAbsent(path)) return undefined;
  const hash = createHash('sha256');
  let [records, before, pending] = [-1, '', ''];
  let last: LogRecord | undefined;
  let other: string | undefined;
  const isTorn = eachLine(path, (text, line) => {
    records += 1;
    // one line late: the last one is not covered; in pieces, since single lines take longer
    if (records > 0) pending += `${before}\n`;
    before = text ?? '';
    if (pending.length >= PIECE) {
      hash.update(pending);
      pending = '';
    }
    const parsed = parseEvent(text);
    last = typeof parsed === 'string' ? undefined : parsed;
    if (typeof parsed === 'string') return damaged({ line, message: parsed });
    const { event, run_id } = parsed;
    if ((event === 'run.start' || event === 'run.resume') && run_id !== runId) other ??= String(run_id);
    visit(parsed);
  });
  hash.update(pending);
  const covered = { records: Math.max(0, records), sha256: hash.digest('hex') };
  return { last: isTorn ? undefined : last, before: covered, other };
}

/** Files of a run that are not as they were at its end, when `summary` was written. */
export function damageOf(
  directory: RunDirectory,
  manifest: Manifest | undefined,
  summary: Summary,
  log: LogEnd | undefined,
): Damage[] {
  if (manifest === undefined) return [{ file: 'manifest.json', what: 'is missing' }];
  if (log === undefined) return [{ file: 'log.jsonl', what: 'is missing' }];
  const ofLog = logDamage(log, summary);
  if (ofLog.length > 0) return ofLog;
  // a changed summary may have other digests
  if (log.last?.summary_sha256 !== directory.digestOf('summary.json'))
    return [{ file: 'summary.json', what: 'does not match its digest in log.jsonl' }];
  return [
    ...changedFiles(directory, summary.digests.files, 'summary.json'),
    ...changedSinceStart(directory, manifest.digests),
  ];
}

/** @param summary that was written when the log ended; undefined if the log has no end yet */
export function logDamage({ last, before, other }: LogEnd, summary: Summary | undefined): Damage[] {
  const damage = (what: string) => [{ file: 'log.jsonl', what }];
  if (other !== undefined) return damage(`belongs to another run, ${other}`);
  if (summary === undefined) return [];
  if (last?.event !== 'run.end') return damage('does not end with the end of the run');
  const { records, sha256 } = summary.digests.log ?? before;
  return records === before.records && sha256 === before.sha256
    ? []
    : damage('does not match its digest in summary.json: a line was changed, added or removed');
}

/** True if the log ends with the end of the run, and the summary is as it was written then. */
export function isAtEnd(directory: RunDirectory): boolean {
  const end = lastRecord(directory.files.log);
  return end?.event === 'run.end' && end.summary_sha256 === directory.digestOf('summary.json');
}

const ADVICE: Readonly<Record<string, string>> = {
  'log.jsonl': '; or no log: move it away, and the run resumes with a new one',
  'config.resolved.yaml': '; to change a key, use `resume --set KEY=VALUE`',
};

/** Throws (exit 5) all of `damage`, if there is any. */
export function refuseDamage(directory: RunDirectory, damage: readonly Damage[]): void {
  if (damage.length === 0) return;
  throw damagedErrors(
    damage.map(({ file, what }) => ({
      code: 'run/damaged',
      message: `this file ${what}`,
      file: directory.pathOf(file),
      expected: `the file from a backup${ADVICE[file] ?? ''}`,
    })),
  );
}

export function ownStepHashes({
  step_hash,
  earlier_step_hashes = [],
}: Pick<Manifest, 'step_hash' | 'earlier_step_hashes'>): ReadonlySet<string> {
  return new Set([step_hash, ...earlier_step_hashes]);
}

/** Throws (exit 5) if one of `checkpoints` is another run's. */
export function refuseForeign(
  checkpoints: readonly Pick<CheckpointHeader, 'path' | 'metadata'>[],
  manifest: Manifest,
): void {
  const hashes = ownStepHashes(manifest);
  const foreign = checkpoints.filter(({ metadata }) => !hashes.has(String(metadata.step_hash)));
  if (foreign.length === 0) return;
  throw damagedErrors(
    foreign.map(({ path, metadata }) => ({
      code: 'checkpoint/foreign',
      message: 'this checkpoint is from another run with a different config, seed or data',
      file: path,
      expected: `step_hash ${[...hashes].join(' or ')}`,
      got: `step_hash ${metadata.step_hash}`,
    })),
  );
}
