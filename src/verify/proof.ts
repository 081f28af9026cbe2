/** Where a proof is kept, and in what form. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeJsonAtomic } from '../experiment/atomic.js';
import { spellNonFinite } from '../experiment/json.js';
import { utcStamp } from '../experiment/new-folder.js';
import { PROOFS } from '../experiment/run-directory.js';

export interface ProofPlace {
  /** The output root. */
  readonly output: string;
  readonly started: Date;
}

/** Writes `<output>/verify/<stamp>-<what>.json` and gives its path. Numbers that are not finite are spelled as in events. */
export function writeProof({ output, started }: ProofPlace, proof: { readonly what: string }): string {
  const folder = join(output, PROOFS);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${utcStamp(started)}-${proof.what}.json`);
  writeJsonAtomic(file, spellNonFinite(proof));
  return file;
}
