/** Where a proof is kept, and in what form. */
import { join } from 'node:path';
import { writeJsonAtomic } from '../experiment/files/atomic.js';
import { spellNonFinite } from '../experiment/files/json.js';
import { makeFolder, utcStamp } from '../experiment/files/new-folder.js';
import { PROOFS } from '../experiment/run-directory.js';

export interface ProofPlace {
  /** The output root. */
  readonly output: string;
  readonly started: Date;
}

/**
 * Makes the folder of proofs, so that nothing is proved in vain.
 * @throws UserError (exit 2) if it cannot be made
 */
export function makePlace(output: string): string {
  const folder = join(output, PROOFS);
  makeFolder(folder, output);
  return folder;
}

/**
 * Writes `<output>/verify/<stamp>-<what>.json` and gives its path. Numbers that are not finite are
 * spelled as in events.
 */
export function writeProof({ output, started }: ProofPlace, proof: { readonly what: string }): string {
  const file = join(makePlace(output), `${utcStamp(started)}-${proof.what}.json`);
  writeJsonAtomic(file, spellNonFinite(proof));
  return file;
}
