/**
 * Writes checkpoints: each file is complete or absent, `last` and `best` can always be resolved,
 * and old ones are removed according to a policy. Finds the one that a run resumes from.
 */
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Diagnostic, EXIT, UserError, usageError } from '../util/errors.js';
import {
  ASIDE,
  bestOf,
  type Checkpoint,
  type CheckpointHeader,
  type CheckpointIndex,
  checkpointName,
  checkpointNames,
  indexPath,
  listCheckpoints,
  loadCheckpoint,
  lostCheckpoints,
  lostProblem,
  rankByMetric,
  STATE_KEY,
  selectCheckpoint,
  type Which,
} from './checkpoint-files.js';
import type { RunDirectory } from './directory.js';
import { withFileErrors } from './file-errors.js';
import { flushFolder, TEMPORARY_PREFIX, writeJsonAtomic } from './files.js';
import { spellNonFinite } from './json.js';
import { refuseUnlessOwned } from './lock.js';
import { type Tensors, writeSafetensors } from './safetensors.js';
import type { SavedCheckpoints } from './summary.js';

export interface CheckpointPolicy {
  readonly keep: { readonly last: number; readonly best: number };
  readonly metric: string;
  readonly mode: 'min' | 'max';
}

export interface CheckpointInput extends Omit<CheckpointHeader, 'path' | 'metric'> {
  readonly tensors: Tensors;
  readonly metric: number | null;
}

export interface SavedCheckpoint {
  readonly path: string;
  readonly bytes: number;
  readonly best: boolean;
}

export class CheckpointStore {
  private entries: CheckpointHeader[];

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

  save({ tensors, metric: measured, step, epoch, temporary, metadata }: CheckpointInput): SavedCheckpoint {
    const path = join(this.folder, checkpointName(step));
    const { metric: name, mode } = this.policy;
    const value = Number.isFinite(measured) ? measured : null;
    const state = { step, epoch, metric: { name, mode, value }, temporary, metadata };
    const text = JSON.stringify(spellNonFinite({ version: 1, ...state }));
    const bytes = writeSafetensors(path, tensors, { format: 'pt', [STATE_KEY]: text });
    const entry = { path, ...state };
    const others = this.entries.filter(e => e.step !== step);
    this.entries = [...others, entry].sort((a, b) => a.step - b.step);
    this.prune();
    return { path, bytes, best: bestOf(this.entries) === entry };
  }

  wouldBeBest(value: number): boolean {
    const best = bestOf(this.entries)?.metric.value;
    if (best === undefined || best === null) return Number.isFinite(value);
    return this.policy.mode === 'max' ? value > best : value < best;
  }

  resolve(which: Which): string {
    return selectCheckpoint(this.folder, this.entries, which).path;
  }

  load(which: Which): Checkpoint {
    return loadCheckpoint(this.resolve(which));
  }

  /**
   * Removes old checkpoints. The index is replaced first, so it never names a missing file. Files
   * that could not be removed stay in `entries`, and the next save retries.
   */
  private prune(): void {
    const { keep } = this.policy;
    const lasting = this.entries.filter(entry => !entry.temporary);
    const kept = new Set([
      ...lasting.slice(-Math.max(1, keep.last)),
      ...this.entries.slice(-1),
      ...rankByMetric(this.entries).slice(0, keep.best),
    ]);
    this.writeIndex(this.entries.filter(entry => kept.has(entry)));
    for (const entry of this.entries) if (!kept.has(entry)) remove(entry.path);
    this.entries = this.entries.filter(entry => kept.has(entry));
  }

  private writeIndex(entries: readonly CheckpointHeader[]): void {
    const best = bestOf(entries);
    const index: CheckpointIndex = {
      version: 1,
      metric: this.policy.metric,
      mode: this.policy.mode,
      last: basename(selectCheckpoint(this.folder, entries, 'last').path),
      best: best === undefined ? null : basename(best.path),
      checkpoints: entries.map(({ path, step, epoch, metric }) => ({
        file: basename(path),
        step,
        epoch,
        metric: metric.value,
      })),
    };
    writeJsonAtomic(indexPath(this.folder), index);
  }
}

function remove(path: string): void {
  refuseUnlessOwned(path);
  withFileErrors(path, () => rmSync(path, { force: true }));
}

/** A run's files must stay inside its directory. */
function refuseLink(folder: string): void {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw usageError({
    code: 'checkpoint/link',
    message: 'checkpoints/ is a symbolic link, which cellrun does not follow',
    file: folder,
    expected: 'a real directory in each run',
  });
}

/** The fields of summary.json about existing checkpoints. Throws (exit 5) if one is damaged. */
export function savedCheckpoints(
  directory: RunDirectory,
  entries: readonly CheckpointHeader[] = listCheckpoints(directory.files.checkpoints),
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

/** The checkpoint that a run resumes from: the newest intact one. */
interface LatestCheckpoint {
  readonly checkpoint: Checkpoint | undefined;
  readonly whole: readonly CheckpointHeader[];
  readonly damaged: readonly Diagnostic[];
  setAside(): void;
}

/** Reads every checkpoint of `folder` and checks its digests; changes nothing. */
export function latestCheckpoint(folder: string, { strict }: { readonly strict: boolean }): LatestCheckpoint {
  withFileErrors(folder, () => refuseLink(folder));
  const damaged = new Map<string, readonly Diagnostic[]>();
  let checkpoint: Checkpoint | undefined;
  const whole: CheckpointHeader[] = [];
  for (const name of checkpointNames(folder).toReversed()) {
    const path = join(folder, name);
    try {
      const loaded = loadCheckpoint(path);
      checkpoint ??= loaded;
      const { tensors: _, ...rest } = loaded;
      whole.push(rest);
    } catch (error) {
      if (!(error instanceof UserError) || error.exitCode !== EXIT.damaged) throw error;
      damaged.set(path, error.diagnostics);
    }
  }
  const lost = lostCheckpoints(folder).map(file => lostProblem(folder, file));
  const found = [...damaged.values(), lost].flat();
  const noneLeft = {
    code: 'checkpoint/none-whole',
    message: 'no intact checkpoint is left to resume from',
    file: folder,
    expected: 'an intact checkpoint restored from a backup, or a new run of this config',
  };
  if (found.length > 0 && !checkpoint) throw new UserError(EXIT.damaged, [...found, noneLeft]);
  if (found.length > 0 && strict) throw new UserError(EXIT.damaged, found);
  const setAside = () => {
    for (const path of damaged.keys()) refuseUnlessOwned(path);
    for (const path of damaged.keys()) withFileErrors(path, () => renameSync(path, `${path}${ASIDE}`));
  };
  return { checkpoint, whole, damaged: found, setAside };
}
