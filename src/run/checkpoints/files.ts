/** The files of a `checkpoints/` folder, whose names contain the step. */
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
 * Names of the checkpoints in `folder` by ascending step; empty if there is no such folder. An
 * unreadable folder is not treated as empty, or a run would start over.
 * @throws UserError (exit 2 or 5) if the folder cannot be read
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
 * @throws UserError (exit 2) if `folder` is a link: a run's files must stay inside its directory
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

/** Steps of more than eight digits have longer names. */
function byStep(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : 1);
}
