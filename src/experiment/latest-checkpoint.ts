/** The checkpoint that a run goes on from: the newest that is whole. */
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { type Diagnostic, EXIT, UserError } from '../errors.js';
import { checkpointNames, refuseLink } from './checkpoint-files.js';
import { type Checkpoint, loadCheckpoint } from './checkpoint-folder.js';
import { readIndex } from './checkpoint-index.js';
import { naming } from './file-error.js';

const ASIDE = '.damaged';

export interface LatestCheckpoint {
  /** Undefined where there is none. */
  readonly checkpoint: Checkpoint | undefined;
  /** What is wrong with the damaged ones, and which have gone. */
  readonly damaged: readonly Diagnostic[];
}

/**
 * Reads every checkpoint of `folder`, digests and all; damaged ones are set aside under another name. Throws exit 5 with what is wrong
 * where `strict`, or where there were checkpoints and none is whole; exit 2 where one cannot be got at, and so may be whole, or
 * where the folder is a link. Nothing is renamed then.
 */
export function latestCheckpoint(folder: string, { strict }: { readonly strict: boolean }): LatestCheckpoint {
  naming(folder, () => refuseLink(folder));
  const damaged = new Map<string, readonly Diagnostic[]>();
  let checkpoint: Checkpoint | undefined;
  for (const name of checkpointNames(folder).reverse()) {
    const path = join(folder, name);
    try {
      const loaded = loadCheckpoint(path);
      checkpoint ??= loaded;
    } catch (error) {
      if (!(error instanceof UserError) || error.exitCode !== EXIT.damaged) throw error;
      damaged.set(path, error.diagnostics);
    }
  }
  const found = [...damaged.values(), lostCheckpoints(folder)].flat();
  if (found.length > 0 && (strict || !checkpoint)) throw new UserError(EXIT.damaged, found);
  for (const path of damaged.keys()) naming(path, () => renameSync(path, `${path}${ASIDE}`));
  return { checkpoint, damaged: found };
}

/** Files that the index names and that are neither there nor set aside. It is replaced before a run removes one itself. */
function lostCheckpoints(folder: string): Diagnostic[] {
  const isThere = (name: string) => ['', ASIDE].some(end => existsSync(join(folder, name + end)));
  const names = readIndex(folder)?.files ?? [];
  return names
    .filter(name => !isThere(name))
    .map(name => ({
      code: 'checkpoint/lost',
      message: 'this checkpoint has gone: the index beside it names it, but there is no such file',
      file: join(folder, name),
    }));
}
