/**
 * Writes checkpoints: each file is complete or absent, `last` and `best` can always be resolved,
 * and old ones are removed according to a policy. Finds the one that a run resumes from.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Diagnostic, damagedError, EXIT, UserError } from '../util/errors.js';
import {
  bestOf,
  type Checkpoint,
  type CheckpointEntry,
  type CheckpointHeader,
  checkpointName,
  checkpointNames,
  indexPath,
  indexProblem,
  listCheckpoints,
  loadCheckpoint,
  rankByMetric,
  readIndex,
  refuseLink,
  STATE_KEY,
  selectCheckpoint,
  type Which,
} from './checkpoint-files.js';
import type { RunDirectory } from './directory.js';
import { withFileErrors } from './file-errors.js';
import { flushFolder, TEMPORARY_PREFIX, unreadable, writeJsonAtomic } from './files.js';
import { type JsonObject, nonFiniteName, spellNonFinite } from './json.js';
import { refuseUnlessOwned } from './lock.js';
import { type Tensors, writeSafetensors } from './safetensors.js';
import type { SavedCheckpoints } from './summary.js';

export interface CheckpointPolicy {
  /** How many of the newest and of the best to keep. The newest one is always kept. */
  readonly keep: { readonly last: number; readonly best: number };
  readonly metric: string;
  readonly mode: 'min' | 'max';
}

export interface CheckpointInput {
  /** Completed optimizer steps. */
  readonly step: number;
  /** Completed epochs. */
  readonly epoch: number;
  /**
   * Weights under PyTorch's names, optimizer state as `optimizer.<state>.<weight>`; other names are
   * kept too.
   */
  readonly tensors: Tensors;
  /** Anything else that a resume needs. */
  readonly metadata: JsonObject;
  /** The policy's metric at this step; `null` if it was not measured. */
  readonly metric: number | null;
  /**
   * True for a checkpoint that only serves to resume; the next one replaces it, regardless of
   * `keep`.
   */
  readonly temporary: boolean;
}

export interface SavedCheckpoint {
  readonly path: string;
  readonly bytes: number;
  /** True if this is now the best checkpoint. */
  readonly best: boolean;
}

export class CheckpointStore {
  private entries: CheckpointEntry[];

  private constructor(
    readonly folder: string,
    private readonly policy: CheckpointPolicy,
  ) {
    this.entries = listCheckpoints(folder);
    // a process killed while saving may have left the old index and files to remove
    if (this.entries.length > 0) this.prune();
  }

  /** Opens `folder`, creates it if it is missing, and completes an interrupted save. */
  static open(folder: string, policy: CheckpointPolicy): CheckpointStore {
    withFileErrors(folder, () => {
      refuseLink(folder);
      mkdirSync(folder, { recursive: true });
      flushFolder(dirname(folder));
      for (const name of readdirSync(folder))
        if (name.startsWith(TEMPORARY_PREFIX)) remove(join(folder, name));
    });
    return new CheckpointStore(folder, policy);
  }

  /**
   * Writes a checkpoint; replaces one of the same step. Older ones are removed only after it is
   * flushed to disk.
   */
  save(input: CheckpointInput): SavedCheckpoint {
    const path = join(this.folder, checkpointName(input.step));
    const { name, mode, value } = this.metricOf(input.metric);
    const state = spellNonFinite({
      version: 1,
      step: input.step,
      epoch: input.epoch,
      metric: { name, mode, value },
      temporary: input.temporary,
      metadata: input.metadata,
    });
    const bytes = writeSafetensors(path, input.tensors, { format: 'pt', [STATE_KEY]: JSON.stringify(state) });
    const { step, epoch, temporary } = input;
    const entry = { path, step, epoch, metric: { name, mode, value }, temporary };
    const others = this.entries.filter(e => e.step !== step);
    this.entries = [...others, entry].sort((a, b) => a.step - b.step);
    this.prune();
    return { path, bytes, best: bestOf(this.entries) === entry };
  }

  /** True if a checkpoint with this metric value would be the best. */
  wouldBeBest(value: number): boolean {
    const best = bestOf(this.entries)?.metric.value;
    if (best === undefined || best === null) return nonFiniteName(value) === undefined;
    return this.policy.mode === 'max' ? value > best : value < best;
  }

  resolve(which: Which): string {
    return selectCheckpoint(this.folder, this.entries, which).path;
  }

  /** Reads a checkpoint with all its tensors. */
  load(which: Which): Checkpoint {
    return loadCheckpoint(this.resolve(which));
  }

  private metricOf(value: number | null): CheckpointEntry['metric'] {
    const { metric: name, mode } = this.policy;
    return { name, mode, value: value !== null && nonFiniteName(value) === undefined ? value : null };
  }

  /**
   * Removes old checkpoints. The index is replaced first, so it never names a missing file. Files
   * that could not be removed stay in `entries`, and the next save retries.
   */
  private prune(): void {
    const kept = this.kept();
    this.writeIndex(this.entries.filter(entry => kept.has(entry)));
    for (const entry of this.entries) if (!kept.has(entry)) remove(entry.path);
    this.entries = this.entries.filter(entry => kept.has(entry));
  }

  private kept(): Set<CheckpointEntry> {
    const lasting = this.entries.filter(entry => !entry.temporary);
    const newest = [...lasting.slice(-Math.max(1, this.policy.keep.last)), ...this.entries.slice(-1)];
    return new Set([...newest, ...rankByMetric(this.entries).slice(0, this.policy.keep.best)]);
  }

  /** Schema: schemas/checkpoints.schema.json. */
  private writeIndex(entries: readonly CheckpointEntry[]): void {
    const best = bestOf(entries);
    writeJsonAtomic(indexPath(this.folder), {
      version: 1,
      metric: this.policy.metric,
      mode: this.policy.mode,
      last: basename(selectCheckpoint(this.folder, entries, 'last').path),
      best: best === undefined ? null : basename(best.path),
      checkpoints: entries.map(e => ({
        file: basename(e.path),
        step: e.step,
        epoch: e.epoch,
        metric: e.metric.value,
      })),
    });
  }
}

function remove(path: string): void {
  refuseUnlessOwned(path);
  withFileErrors(path, () => rmSync(path, { force: true }));
}

/** The fields of summary.json about existing checkpoints. */
export function savedCheckpoints(
  directory: RunDirectory,
  entries: readonly CheckpointEntry[] = listCheckpoints(directory.files.checkpoints),
): SavedCheckpoints {
  const last = entries.at(-1);
  const best = bestOf(entries);
  return {
    best: best
      ? { metric: best.metric.name, value: best.metric.value as number, step: best.step, epoch: best.epoch }
      : null,
    checkpoints: {
      last: last ? directory.nameOf(last.path) : null,
      best: best ? directory.nameOf(best.path) : null,
    },
  };
}

/* Finds the checkpoint that a run resumes from: the newest intact one. */

const ASIDE = '.damaged';

export interface LatestCheckpoint {
  readonly checkpoint: Checkpoint | undefined;
  /** All intact checkpoints. */
  readonly whole: readonly CheckpointHeader[];
  /** Problems: damaged checkpoints, missing checkpoints, and an invalid index. */
  readonly damaged: readonly Diagnostic[];
  /** Renames the damaged checkpoints. */
  setAside(): void;
}

/** Reads every checkpoint of `folder` and checks its digests; changes nothing. */
export function latestCheckpoint(folder: string, { strict }: { readonly strict: boolean }): LatestCheckpoint {
  withFileErrors(folder, () => refuseLink(folder));
  const damaged = new Map<string, readonly Diagnostic[]>();
  let checkpoint: Checkpoint | undefined;
  const whole: CheckpointHeader[] = [];
  const names = checkpointNames(folder);
  for (const name of names.toReversed()) {
    const path = join(folder, name);
    try {
      refuseOther(path);
      const loaded = loadCheckpoint(path);
      checkpoint ??= loaded;
      const { tensors: _, ...rest } = loaded;
      whole.push(rest);
    } catch (error) {
      if (!(error instanceof UserError) || error.exitCode !== EXIT.damaged) throw error;
      damaged.set(path, error.diagnostics);
    }
  }
  const found = [...damaged.values(), lostCheckpoints(folder), indexDamage(folder, names.length)].flat();
  if (found.length > 0 && !checkpoint) throw new UserError(EXIT.damaged, [...found, noneLeft(folder)]);
  if (found.length > 0 && strict) throw new UserError(EXIT.damaged, found);
  const setAside = () => {
    for (const path of damaged.keys()) refuseUnlessOwned(path);
    for (const path of damaged.keys()) withFileErrors(path, () => renameSync(path, `${path}${ASIDE}`));
  };
  return { checkpoint, whole, damaged: found, setAside };
}

/**
 * Refuses a folder or a pipe with a checkpoint's name. A link may lead to an intact checkpoint;
 * reading it reports an error.
 */
function refuseOther(path: string): void {
  let info: Stats;
  try {
    info = lstatSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (info.isFile() || info.isSymbolicLink()) return;
  throw damagedError({ code: 'checkpoint/no-file', message: 'this is not a file', file: path });
}

/**
 * The index is rewritten with the next checkpoint. It may be missing with a single checkpoint: the
 * process was killed before it wrote the first index.
 */
function indexDamage(folder: string, count: number): Diagnostic[] {
  const message = indexProblem(folder, count > 1);
  return message === undefined ? [] : [{ code: 'checkpoint/index', message, file: indexPath(folder) }];
}

function noneLeft(folder: string): Diagnostic {
  return {
    code: 'checkpoint/none-whole',
    message: 'no intact checkpoint is left to resume from',
    file: folder,
    expected: 'an intact checkpoint restored from a backup, or a new run of this config',
  };
}

/**
 * Files that the index names but that do not exist, not even as set aside. The index is replaced
 * before a run removes a checkpoint.
 */
function lostCheckpoints(folder: string): Diagnostic[] {
  const isThere = (name: string) => ['', ASIDE].some(end => existsSync(join(folder, name + end)));
  const names = readIndex(folder)?.files ?? [];
  return names
    .filter(name => !isThere(name))
    .map(name => ({
      code: 'checkpoint/lost',
      message: 'this checkpoint is missing: checkpoints/index.json lists it, but the file does not exist',
      file: join(folder, name),
    }));
}
