/**
 * Reads `checkpoints/index.json`: not to find checkpoints, whose files are authoritative, but to
 * notice missing ones. It is replaced before a file is removed, so it never names one that the run
 * itself removed.
 */
import { lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAbsent } from '../files/unreadable.js';
import { isCheckpointName } from './files.js';

const INDEX_NAME = 'index.json';
/** Maximum size: 100 bytes for each of more checkpoints than a folder contains. */
const MAX_BYTES = 2 ** 24;

export interface CheckpointIndex {
  /** File names; `best` is null if no metric was finite. */
  readonly last: string;
  readonly best: string | null;
  /** File names of all kept checkpoints. */
  readonly files: readonly string[];
  /** The metric of `best` and whether `min` or `max` of it is, as far as valid. */
  readonly metric: unknown;
  readonly mode: unknown;
}

export function indexPath(folder: string): string {
  return join(folder, INDEX_NAME);
}

/**
 * The index of `folder`; undefined if it is absent or invalid, because checkpoints are not found
 * through it.
 */
export function readIndex(folder: string): CheckpointIndex | undefined {
  const { last, best, metric, mode, checkpoints } = parsed(textOf(indexPath(folder)));
  if (!isName(last) || !Array.isArray(checkpoints)) return undefined;
  const files = checkpoints.map((entry: unknown) => (isRecord(entry) ? entry.file : undefined));
  return { last, best: isName(best) ? best : null, files: files.filter(isName), metric, mode };
}

/**
 * Why the index of `folder` is unusable; undefined if it is valid, or absent and not `isWanted`.
 */
export function indexProblem(folder: string, isWanted: boolean): string | undefined {
  if (readIndex(folder) !== undefined) return undefined;
  if (!isAbsent(indexPath(folder))) return 'this is not a valid checkpoint index; it will be rewritten';
  return isWanted ? 'the checkpoint index is missing; it will be rewritten' : undefined;
}

/** Facts about a kept checkpoint that are known without opening its file. */
export interface ListedCheckpoint {
  readonly file: string;
  readonly step: number;
  /** Completed epochs. */
  readonly epoch: number;
  /** The metric of `best`; its value is null if it was not measured or is not finite. */
  readonly metric: string;
  readonly value: number | null;
  readonly last: boolean;
  readonly best: boolean;
}

/**
 * The checkpoints that the index of `folder` names, for display only; empty if it is absent or
 * invalid.
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
 * Content of the file; empty if it cannot be read. Only regular files of normal size are read:
 * reading a pipe could block.
 */
function textOf(path: string): string {
  try {
    const info = lstatSync(path);
    return info.isFile() && info.size <= MAX_BYTES ? readFileSync(path, 'utf8') : '';
  } catch {
    return '';
  }
}

/** True if `name` is a checkpoint's file name, so it cannot lead to another folder. */
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
