/**
 * `checkpoints/index.json` as its reader here needs it: not to find checkpoints, whose files are
 * the truth, but to notice that one has gone. It is replaced before a file is removed, so it never
 * names one that a run took away itself.
 */
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAbsent } from '../files/unreadable.js';
import { isCheckpointName } from './files.js';

const INDEX_NAME = 'index.json';
/** A hundred bytes for each of more checkpoints than a folder holds. */
const MAX_BYTES = 2 ** 24;

export interface CheckpointIndex {
  /** File names; `best` is null where no metric was finite. */
  readonly last: string;
  readonly best: string | null;
  /** Of every checkpoint that was kept. */
  readonly files: readonly string[];
}

export function indexPath(folder: string): string {
  return join(folder, INDEX_NAME);
}

/**
 * The index of `folder`; undefined where it is absent or says nothing of use: it is not what
 * checkpoints are read by.
 */
export function readIndex(folder: string): CheckpointIndex | undefined {
  const { last, best, checkpoints } = parsed(textOf(indexPath(folder)));
  if (!isName(last) || !Array.isArray(checkpoints)) return undefined;
  const files = checkpoints.map((entry: unknown) => (isRecord(entry) ? entry.file : undefined));
  return { last, best: isName(best) ? best : null, files: files.filter(isName) };
}

/**
 * Why the index of `folder` says nothing of use; undefined where it does, or is absent though
 * nobody asks for it.
 */
export function indexProblem(folder: string, isWanted: boolean): string | undefined {
  if (readIndex(folder) !== undefined) return undefined;
  if (!isAbsent(indexPath(folder))) return 'this is not a valid checkpoint index; it will be rewritten';
  return isWanted ? 'the checkpoint index is missing; it will be rewritten' : undefined;
}

/** What is known of a kept checkpoint without opening its file. */
export interface ListedCheckpoint {
  readonly file: string;
  readonly step: number;
  /** Whole epochs done. */
  readonly epoch: number;
  /**
   * The metric that `best` means, and its value; null where it was not measured or is not finite.
   */
  readonly metric: string;
  readonly value: number | null;
  readonly last: boolean;
  readonly best: boolean;
}

/**
 * The checkpoints that the index of `folder` names, for those who only tell of them; empty where it
 * says nothing of use.
 */
export function listCheckpoints(folder: string): readonly ListedCheckpoint[] {
  const { metric, last, best, checkpoints } = parsed(textOf(indexPath(folder)));
  if (!Array.isArray(checkpoints)) return [];
  return checkpoints.filter(isRecord).flatMap(({ file, step, epoch, metric: value }) =>
    isName(file) && typeof step === 'number' && typeof epoch === 'number'
      ? [
          {
            file,
            step,
            epoch,
            metric: String(metric),
            value: typeof value === 'number' ? value : null,
            last: file === last,
            best: file === best,
          },
        ]
      : [],
  );
}

/**
 * Empty where it cannot be read. Anything but a file of ordinary size is none of ours, and a pipe
 * would keep us waiting.
 */
function textOf(path: string): string {
  try {
    const info = lstatSync(path);
    return info.isFile() && info.size <= MAX_BYTES ? readFileSync(path, 'utf8') : '';
  } catch {
    return '';
  }
}

/** A name that leads elsewhere is no name of a checkpoint. */
function isName(name: unknown): name is string {
  return typeof name === 'string' && isCheckpointName(name);
}

function parsed(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
