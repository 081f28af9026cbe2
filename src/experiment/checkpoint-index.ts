/**
 * `checkpoints/index.json` as its reader here needs it: not to find checkpoints, whose files are the truth, but to notice that
 * one has gone. It is replaced before a file is removed, so it never names one that a run took away itself.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const INDEX_NAME = 'index.json';

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

/** The index of `folder`; undefined where it is absent or says nothing of use: it is not what checkpoints are read by. */
export function readIndex(folder: string): CheckpointIndex | undefined {
  const path = indexPath(folder);
  if (!existsSync(path)) return undefined;
  const { last, best, checkpoints } = parsed(readFileSync(path, 'utf8'));
  if (typeof last !== 'string' || !Array.isArray(checkpoints)) return undefined;
  const files = checkpoints.map((entry: unknown) => (isRecord(entry) ? entry.file : undefined));
  return {
    last,
    best: typeof best === 'string' ? best : null,
    files: files.filter(file => typeof file === 'string'),
  };
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
