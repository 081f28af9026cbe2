import { join } from 'node:path';
import { DEPTH, deeperFolder, findRuns, kindOf } from '../../run/find.js';
import { printable } from '../../util/words.js';
import type { Io } from '../terminal/io.js';

/**
 * Warns if a folder has runs too deep to be shown.
 * @throws UserError (exit 2) if the folder cannot be read
 */
export function warnOfDeeper(folder: string, io: Io): void {
  const deeper = kindOf(folder) === undefined ? deeperFolder(folder, findRuns(folder)) : undefined;
  if (deeper !== undefined)
    io.err(
      `warning: ${printable(folder)}: runs more than ${DEPTH} directories deep are not shown, such as those in ${printable(join(folder, deeper))}\n`,
    );
}
