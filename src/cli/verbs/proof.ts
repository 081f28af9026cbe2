/** How every `verify` tells what it proved. */

import { spellNonFinite } from '../../experiment/files/json.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import type { RunOptions } from '../options.js';
import type { Io } from '../terminal/io.js';

export interface Proving<P extends object> {
  /** Proves; `note` tells how far it is. */
  prove(started: Date, note: (text: string) => void): Promise<{ readonly proof: P; readonly file: string }>;
  /** For people, whole lines. */
  text(proof: P): string;
  holds(proof: P): boolean;
}

/** Exit 1 where it does not hold. */
export async function printProof<P extends object>(
  { prove, text, holds }: Proving<P>,
  { json, quiet }: Pick<RunOptions, 'json' | 'quiet'>,
  io: Io,
): Promise<ExitCode> {
  const { proof, file } = await prove(new Date(), note => {
    if (!quiet) io.err(`${note}\n`);
  });
  io.out(json ? `${JSON.stringify(spellNonFinite(proof))}\n` : `${text(proof)}Proof: ${file}\n`);
  return holds(proof) ? EXIT.done : EXIT.unexpected;
}
