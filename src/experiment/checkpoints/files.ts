/** The files of a `checkpoints/` folder by their names, which say the step. */
import { lstatSync, readdirSync } from 'node:fs';
import { usageError } from '../../util/errors.js';
import { isAbsent, unreadable } from '../files/unreadable.js';

const FILE_NAME = /^step-\d{8,16}\.safetensors$/;

export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`;
}

export function isCheckpointName(name: string): boolean {
  return FILE_NAME.test(name);
}

/**
 * Names of the checkpoints in `folder` by rising step; none where there is no such folder. A folder
 * that cannot be read is not taken for one that is empty: a run would begin anew.
 * @throws UserError (exit 2) or (exit 5) in that case
 */
export function checkpointNames(folder: string): string[] {
  if (isAbsent(folder)) return [];
  try {
    return readdirSync(folder).filter(isCheckpointName).sort(byStep);
  } catch (error) {
    throw unreadable(folder, error);
  }
}

/**
 * @throws UserError (exit 2) if `folder` is a link: what is written to a run must stay inside it
 */
export function refuseLink(folder: string): void {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw usageError({
    code: 'checkpoint/link',
    message: 'checkpoints/ is a symbolic link, which cellrun does not follow',
    file: folder,
    expected: 'a real directory in each run',
  });
}

/** Numbers of more than eight digits are longer names. */
function byStep(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}
