/** Options shared by all `verify` verbs, and the output of their proofs. */
import { spellNonFinite } from '../../run/json.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import { printable } from '../../util/words.js';
import { json, quiet, set, threads } from '../options.js';
import type { Io } from '../terminal/io.js';
import { folder } from '../verb.js';

export const proofOptions = {
  set,
  threads,
  output: folder('<dir>', 'output directory; the proof is written to <dir>/verify').default('experiments'),
  json: json('the proof'),
  quiet,
};

interface Proving<P extends object> {
  /** @param note shows progress */
  prove(started: Date, note: (text: string) => void): Promise<{ readonly proof: P; readonly file: string }>;
  /** The proof in complete lines. */
  text(proof: P): string;
  holds(proof: P): boolean;
}

/** Runs the proof and prints it. Returns exit code 1 if it does not hold. */
export async function printProof<P extends object>(
  { prove, text, holds }: Proving<P>,
  { json, quiet }: { readonly json: boolean; readonly quiet: boolean },
  io: Io,
): Promise<ExitCode> {
  const { proof, file } = await prove(new Date(), note => {
    if (!quiet) io.err(`${note}\n`);
  });
  if (json) io.data(`${JSON.stringify(spellNonFinite(proof))}\n`);
  else io.out(`${text(proof)}Proof: ${printable(file)}\n`);
  return holds(proof) ? EXIT.done : EXIT.unexpected;
}
