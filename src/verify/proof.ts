/** Writes proofs to the output root. */
import { join } from 'node:path';
import { writeJsonAtomic } from '../run/files.js';
import { makeFolder, PROOFS, utcStamp } from '../run/folders.js';
import { spellNonFinite } from '../run/json.js';

export interface ProofOptions {
  /** The output root. */
  readonly output: string;
  readonly started: Date;
}

/**
 * Creates the folder of proofs and returns its path. Called before the work, so that no proof is
 * lost.
 * @throws UserError (exit 2) if it cannot be created
 */
export function makeOutputFolder(output: string): string {
  const folder = join(output, PROOFS);
  makeFolder(folder, output);
  return folder;
}

/**
 * Writes `<output>/verify/<stamp>-<what>.json` and returns its path. Numbers that are not finite
 * are spelled out as in events.
 * @throws UserError (exit 1 or 2) if it cannot be written
 */
export function writeProof({ output, started }: ProofOptions, proof: { readonly what: string }): string {
  const file = join(makeOutputFolder(output), `${utcStamp(started)}-${proof.what}.json`);
  writeJsonAtomic(file, spellNonFinite(proof));
  return file;
}
