/** `sweep resume SWEEP`: continues a stopped sweep. */

import { SweepDirectory } from '../../sweep/directory.js';
import { resumeSweep } from '../../sweep/run.js';
import { sameBackend } from '../options.js';
import { defineVerb, flag } from '../verb.js';
import { runnerOptions, runToEnd, withLauncherProblems, withQueue } from './runner.js';

export const verb = defineVerb({
  arguments: '<sweep>',
  options: {
    backend: sameBackend('the sweep'),
    retryFailed: flag('retry failed trials from where they stopped'),
    ...runnerOptions,
  },
  async action([path], given, shell) {
    const options = withQueue(given);
    const directory = withLauncherProblems(options, () => SweepDirectory.open(path));
    return runToEnd(options, path, shell, (shared, opened) => {
      opened(directory);
      return resumeSweep(path, { ...shared, retryFailed: given.retryFailed });
    });
  },
});
