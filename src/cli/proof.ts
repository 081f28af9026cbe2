/** How every `verify` tells what it proved. */
import { EXIT, type ExitCode } from '../errors.js';
import { spellNonFinite } from '../experiment/json.js';
import type { Io } from './io.js';
import type { RunOptions } from './options.js';

export interface Proving<P extends object> {
  /** Proves; `note` tells how far it is. */
  prove(started: Date, note: (text: string) => void): Promise<{ readonly proof: P; readonly file: string }>;
  /** For people, whole lines. */
  text(proof: P): string;
  holds(proof: P): boolean;
}

/** Exit 1 where it does not hold. */
export async function tellProof<P extends object>(
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
