/** `verify resume CONFIG`: checks that a killed and resumed run ends like an uninterrupted one. */
import { programFile } from '../../util/root.js';
import { counted } from '../../util/words.js';
import type { ResumeProof } from '../../verify/resume.js';
import { backend, seed } from '../options.js';
import { onStopSignal } from '../signals.js';
import { count, defineVerb } from '../verb.js';
import { printProof, proofOptions } from './proof.js';

export const verb = defineVerb({
  arguments: '<config>',
  options: {
    ...proofOptions,
    backend,
    kills: count('<n>', 'number of kills, over all runs').default(6),
    seed: seed.default(0),
  },
  help: `
Exit codes: 0 all runs are byte-identical, 1 one is not; the runs are kept then.`,
  async action([config], options, { io }) {
    const { set, backend, threads } = options;
    const { loadExperiment } = await import('../../config/index.js');
    const { verifyResume } = await import('../../verify/resume.js');
    // reports errors of the config like `run`
    loadExperiment(config, { set });
    const stop = onStopSignal(io);
    const flags = [
      ...set.flatMap(one => ['--set', one]),
      ...['--backend', backend],
      ...(threads === undefined ? [] : ['--threads', String(threads)]),
    ];
    const proved = printProof(
      {
        prove: async (started, note) => {
          const verified = await verifyResume({
            ...options,
            config,
            program: [process.execPath, programFile('cli/main.js')],
            flags,
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
  },
});

function text({ identical, kills, runs, steps }: ResumeProof): string {
  const verdict = identical
    ? 'byte-identical to an uninterrupted run'
    : 'NOT identical to an uninterrupted run';
  const differences = runs.flatMap(run => run.differences.map(({ file, what }) => `${file}: ${what}`));
  return [
    `${counted(kills, 'kill')} in ${counted(runs.length, 'run')} of ${counted(steps, 'step')}: ${verdict}.`,
    ...differences,
    '',
  ].join('\n');
}
