/** `resume RUN`: continues a stopped run. */
import { resolve } from 'node:path';
import { sweepFolder } from '../../run/find.js';
import { quoted } from '../../util/words.js';
import { programName } from '../command/command-line.js';
import {
  compute,
  defineVerb,
  flag,
  json,
  list,
  pauseAfterEpoch,
  progress,
  sameBackend,
  set,
} from '../command/verb.js';
import { runToEnd } from './run.js';

export const verb = defineVerb({
  arguments: '<run>',
  options: {
    set,
    allowChange: list('<key>', 'resume although this key changed; results will differ'),
    ...compute,
    backend: sameBackend('the run'),
    strict: flag('fail on a damaged checkpoint instead of using the one before it'),
    pauseAfterEpoch,
    json: json('the summary'),
    ...progress,
  },
  async action([run], options, { io }) {
    const sweep = sweepFolder(resolve(run));
    if (sweep !== undefined)
      io.err(
        `warning: ${run} is a trial of a sweep, which will not see this change; to resume the sweep, run \`${programName(process.argv, process.env)} sweep resume ${quoted(sweep)}\`\n`,
      );
    const { resumeExperiment } = await import('../../train/resume.js');
    return runToEnd(options, run, io, (signal, observer) =>
      resumeExperiment(run, { ...options, started: new Date(), signal }, observer),
    );
  },
});
