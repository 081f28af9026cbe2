/** `worker`: runs the trials that sweeps put into a queue. */
import { realpathSync } from 'node:fs';
import { makeFolder } from '../../run/files.js';
import { EXIT } from '../../util/errors.js';
import { logLevel, withServiceLog } from '../command/service-log.js';
import { onStopSignal } from '../command/signals.js';
import { count, defineVerb, flag, folder, integer, text } from '../command/verb.js';

export const verb = defineVerb({
  options: {
    queue: text('<url>', 'redis://host:6379, with ?queue=NAME for one of several queues').with({
      env: 'CELLRUN_QUEUE',
    }),
    root: folder(
      '<dir>',
      'accept only runs in this directory, whose path must be the same on all machines',
    ).default('experiments'),
    concurrency: count('<n>', 'number of trials at the same time').default(1),
    // at least 2, since a run needs two seconds to stop in order
    lease: integer('<seconds>', 'time without a heartbeat after which another worker takes over its trials', {
      min: 2,
      max: 86_400,
    }).default(60),
    logLevel,
    quiet: flag('short for --log-level warn').with({ short: '-q' }),
  },
  action: (_, { quiet, logLevel, ...plan }, { io }) =>
    withServiceLog(io, quiet ? 'warn' : logLevel, async log => {
      // a worker may start before the first sweep creates the directory
      makeFolder(plan.root, plan.root, 'this folder');
      const root = realpathSync(plan.root);
      const stop = onStopSignal({
        interactive: io.interactive,
        err: text => log.info({}, text.trimEnd()),
      });
      try {
        const { workOn } = await import('../../sweep/launchers/worker.js');
        await workOn({ ...plan, root, log }, stop.signal);
        return EXIT.done;
      } finally {
        stop.release();
      }
    }),
});
