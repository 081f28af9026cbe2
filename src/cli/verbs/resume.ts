/** `resume RUN`: continues a stopped run. */
import { resolve } from 'node:path';
import { sweepFolder } from '../../run/find.js';
import { programName, quoted } from '../command/command-line.js';
import {
  dashboards,
  defineVerb,
  flag,
  json,
  list,
  pauseAfterEpoch,
  quiet,
  sameBackend,
  set,
  threads,
  width,
} from '../command/verb.js';
import { runToEnd } from './run.js';

export const verb = defineVerb({
  arguments: '<run>',
  options: {
    set,
    allowChange: list('<key>', 'resume although this key changed; results will differ'),
    backend: sameBackend('the run'),
    threads,
    width,
    strict: flag('fail on a damaged checkpoint instead of using the one before it'),
    pauseAfterEpoch,
    ...dashboards,
    json: json('the summary'),
    quiet,
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
