/** The names that experiments may have: they become directories of the output root. */
import { type Diagnostic, usageError } from '../util/errors.js';

/**
 * Starts with a letter or digit, so it cannot be a hidden folder, a flag or `..`. As in
 * schemas/experiment.schema.json.
 */
const NAME = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** The folder of the output root for the proofs of `verify`. */
export const PROOFS = 'verify';
/** Folders of the output root that are not experiments: sweeps and proofs. */
const RESERVED: readonly string[] = ['sweeps', PROOFS];

/**
 * @param place location of the name, for the error
 * @throws UserError (exit 2) unless `name` can safely be a folder's name inside the output root
 */
export function checkName(name: string, place: Partial<Diagnostic> = {}): void {
  const reserved = RESERVED.find(one => one === name.toLowerCase());
  if (NAME.test(name) && reserved === undefined) return;
  throw usageError({
    ...place,
    code: 'run/name',
    message:
      reserved !== undefined
        ? `the name '${reserved}' is reserved`
        : 'this name cannot be a directory in the output directory',
    expected:
      reserved !== undefined
        ? 'another name: a directory with that name contains something else'
        : 'at most 100 letters, digits, dots, hyphens and underscores, a letter or digit first, no two dots in a row',
    got: JSON.stringify(name),
  });
}
