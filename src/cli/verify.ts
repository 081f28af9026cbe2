/** `verify resume CONFIG`: proves on this machine that a killed run goes on as if it never had been. */
import { fileURLToPath } from 'node:url';
import { EXIT, type ExitCode } from '../errors.js';
import { verifyResume } from '../verify/resume.js';
import type { Io } from './io.js';
import type { VerifyResumeOptions } from './options.js';

const DIFFERENT: ExitCode = EXIT.unexpected;

/** Exit 1 where anything differs. */
export async function verifyResumeOf(
  config: string,
  options: VerifyResumeOptions,
  io: Io,
): Promise<ExitCode> {
  const { set, backend, threads, kills, seed, output, json, quiet } = options;
  const { proof, file, kept } = await verifyResume({
    config,
    program: [process.execPath, fileURLToPath(new URL('./main.js', import.meta.url))],
    flags: [
      ...set.flatMap(one => ['--set', one]),
      ...['--backend', backend],
      ...(threads === undefined ? [] : ['--threads', String(threads)]),
    ],
    kills,
    seed,
    output,
    started: new Date(),
    note: text => {
      if (!quiet) io.err(`${text}\n`);
    },
  });
  if (json) io.out(`${JSON.stringify(proof)}\n`);
  else {
    const verdict = proof.identical ? 'every byte the same as without' : 'NOT the same as without';
    io.out(
      `${proof.kills} kills in ${proof.runs.length} runs of ${proof.steps} steps: ${verdict}.\nProof: ${file}\n`,
    );
    for (const { differences } of proof.runs)
      for (const { file: name, what } of differences) io.out(`${name}: ${what}\n`);
  }
  if (kept !== undefined) io.err(`The runs are kept in ${kept}\n`);
  return proof.identical ? EXIT.done : DIFFERENT;
}
