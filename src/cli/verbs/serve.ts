/** `serve [DIR]`: runs the dashboard until a signal ends it. */
import { existsSync } from 'node:fs';
import { EXIT, UserError } from '../../util/errors.js';
import { printable } from '../../util/words.js';
import type { Dashboard } from '../../view/server/index.js';
import { json } from '../options.js';
import { takeSignals } from '../stop-at-once.js';
import type { Io } from '../terminal/io.js';
import { defineVerb, integer, text } from '../verb.js';
import { warnOfDeeper } from './deeper-runs.js';

const DEFAULT_PORT = 7420;

export const verb = defineVerb({
  arguments: '[dir]',
  options: {
    host: text('<address>', 'address to listen on; others can read your runs unless it is local').default(
      '127.0.0.1',
    ),
    port: integer('<n>', `port, 0 for any free one (default: ${DEFAULT_PORT}, or any if it is in use)`, {
      min: 0,
      max: 65_535,
    }),
    json: json('the address'),
  },
  async action([directory = 'experiments'], { host, port, json }, { io }) {
    if (!existsSync(directory))
      io.err(`warning: ${printable(directory)} does not exist yet; its runs will appear once it does\n`);
    else warnOfDeeper(directory, io);
    const { isLoopback } = await import('../../view/server/index.js');
    const dashboard = await start(directory, host, port, io);
    if (!isLoopback(host))
      io.err(`warning: everyone who can reach ${host} can read these runs; there is no password\n`);
    if (json) io.data(`${JSON.stringify({ url: dashboard.url })}\n`);
    else io.out(`${dashboard.url}\n`);
    await stopped();
    await dashboard.close();
    return EXIT.done;
  },
});

/** @throws UserError (exit 2) if the directory cannot be read or the address cannot be used */
async function start(root: string, host: string, port: number | undefined, io: Io): Promise<Dashboard> {
  const { PORT_TAKEN, startReportDashboard } = await import('../../view/server/index.js');
  const onBug = (error: unknown) =>
    io.err(`cellrun: a request failed: ${error instanceof Error ? error.stack : String(error)}\n`);
  const listen = (port: number) => startReportDashboard({ root, host, port, onBug });
  try {
    return await listen(port ?? DEFAULT_PORT);
  } catch (error) {
    const isTaken = error instanceof UserError && error.diagnostics.some(({ code }) => code === PORT_TAKEN);
    if (port === undefined && isTaken) return listen(0);
    throw error;
  }
}

/** Resolves on a signal, or when the program that started this one ends. */
function stopped(): Promise<void> {
  return new Promise(resolve => {
    const giveBack = takeSignals(() => {
      giveBack();
      resolve();
    });
    process.once('disconnect', () => resolve());
    // that program may have ended while this one was starting
    if (process.connected === false) resolve();
  });
}
