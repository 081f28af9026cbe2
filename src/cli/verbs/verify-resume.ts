/** `verify resume CONFIG`: proves on this machine that a killed run goes on as if it never had been. */

import { loadExperiment } from '../../config/index.js';
import type { ExitCode } from '../../util/errors.js';
import { programFile } from '../../util/root.js';
import { counted } from '../../util/words.js';
import { type ResumeProof, verifyResume } from '../../verify/resume.js';
import type { VerifyResumeOptions } from '../options.js';
import { onStopSignal } from '../signals.js';
import type { Io } from '../terminal/io.js';
import { printProof } from './proof.js';

/** The runs are kept where anything differs. */
export async function verifyResumeOf(
  config: string,
  options: VerifyResumeOptions,
  io: Io,
): Promise<ExitCode> {
  const { set, backend, threads, kills, seed, output } = options;
  // what is wrong with the config is said as `run` says it
  loadExperiment(config, { set });
  const stop = onStopSignal(io);
  const proved = printProof(
    {
      prove: async (started, note) => {
        const verified = await verifyResume({
          config,
          program: [process.execPath, programFile('cli/main.js')],
          flags: [
            ...set.flatMap(one => ['--set', one]),
            ...['--backend', backend],
            ...(threads === undefined ? [] : ['--threads', String(threads)]),
          ],
          kills,
          seed,
          output,
          started,
          note,
          stop: stop.signal,
        });
        if (verified.kept !== undefined) io.err(`The runs are kept in ${verified.kept}\n`);
        return verified;
      },
      text,
      holds: ({ identical }) => identical,
    },
    options,
    io,
  );
  return proved.finally(stop.release);
}

function text({ identical, kills, runs, steps }: ResumeProof): string {
  const verdict = identical ? 'every byte the same as without' : 'NOT the same as without';
  const differences = runs.flatMap(run => run.differences.map(({ file, what }) => `${file}: ${what}`));
  return [
    `${counted(kills, 'kill')} in ${counted(runs.length, 'run')} of ${counted(steps, 'step')}: ${verdict}.`,
    ...differences,
    '',
  ].join('\n');
}
