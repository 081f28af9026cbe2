/** The warning of verbs that show a folder of runs and sweeps, where it has some that they do not show. */
import { join } from 'node:path';
import { DEPTH, deeperFolder, findRuns, kindOf } from '../../review/reading/find.js';
import type { Io } from '../terminal/io.js';

/** Throws exit 2 where the folder cannot be read. */
export function warnOfDeeper(folder: string, io: Io): void {
  const deeper = kindOf(folder) === undefined ? deeperFolder(folder, findRuns(folder)) : undefined;
  if (deeper !== undefined)
    io.err(
      `warning: ${folder}: cellrun searches ${DEPTH} levels of directories; there are some in ${join(folder, deeper)}\n`,
    );
}
