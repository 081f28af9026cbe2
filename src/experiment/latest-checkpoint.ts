/** The checkpoint that a run goes on from: the newest that is whole. */
import { existsSync, readdirSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Diagnostic, EXIT, UserError } from '../errors.js';
import { type Checkpoint, isCheckpointName, loadCheckpoint } from './checkpoint-folder.js';
import { naming } from './file-error.js';

const ASIDE = '.damaged';

export interface LatestCheckpoint {
  /** Undefined where there is none. */
  readonly checkpoint: Checkpoint | undefined;
  /** What is wrong with the damaged ones. */
  readonly damaged: readonly Diagnostic[];
}

/**
 * Reads every checkpoint of `folder`, digests and all; damaged ones are set aside under another name. Throws exit 5 with what is wrong
 * where `strict`, or where there are checkpoints and none is whole; nothing is renamed then.
 */
export function latestCheckpoint(folder: string, { strict }: { readonly strict: boolean }): LatestCheckpoint {
  const names = existsSync(folder) ? readdirSync(folder).filter(isCheckpointName).sort(byStep) : [];
  const damaged = new Map<string, readonly Diagnostic[]>();
  let checkpoint: Checkpoint | undefined;
  for (const name of names.reverse()) {
    const path = join(folder, name);
    try {
      const loaded = loadCheckpoint(path);
      checkpoint ??= loaded;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      damaged.set(path, error.diagnostics);
    }
  }
  const found = [...damaged.values()].flat();
  if (found.length > 0 && (strict || !checkpoint)) throw new UserError(EXIT.damaged, found);
  for (const path of damaged.keys()) naming(path, () => renameSync(path, `${path}${ASIDE}`));
  return { checkpoint, damaged: found };
}

/** Numbers of more than eight digits are longer names. */
function byStep(a: string, b: string): number {
  return a.length - b.length || (basename(a) < basename(b) ? -1 : 1);
}
