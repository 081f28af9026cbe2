/** `serve [DIR]`: runs the dashboard until a signal ends it. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DEPTH, deeperFolder, findRuns, kindOf } from '../../run/find.js';
import { EXIT, UserError } from '../../util/errors.js';
import { programFile } from '../../util/root.js';
import { printable } from '../../util/words.js';
import type { Dashboard } from '../../view/server/dashboard.js';
import { type onStopSignal, takeSignals } from '../command/signals.js';
import { defineVerb, integer, json, type progress, text, type Values } from '../command/verb.js';
import type { Io } from '../terminal/io.js';

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
    const { isLoopback } = await import('../../view/server/dashboard.js');
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

async function start(root: string, host: string, port: number | undefined, io: Io): Promise<Dashboard> {
  const { PORT_TAKEN, startDashboard } = await import('../../view/server/dashboard.js');
  const onBug = (error: unknown) =>
    io.err(`cellrun: a request failed: ${error instanceof Error ? error.stack : String(error)}\n`);
  const { audioOf } = await import('../command/recorded-audio.js');
  const listen = (port: number) => startDashboard({ root, host, port, audioOf, onBug });
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

/**
 * Does `work` beside a dashboard of `folder`, if the options ask for one. With `--keep-dashboard`
 * the dashboard runs on until a signal; otherwise it ends with the work.
 */
export async function besideDashboard<T>(
  { dashboard, keepDashboard }: Values<typeof progress>,
  folder: string,
  io: Io,
  stop: ReturnType<typeof onStopSignal>,
  work: () => Promise<T>,
): Promise<T> {
  const shown = dashboard || keepDashboard ? await startBeside(folder, io) : undefined;
  try {
    const result = await work();
    // signals are now for the dashboard
    stop.release();
    if (keepDashboard && !stop.signal.aborted) await shown?.keep();
    return result;
  } finally {
    stop.release();
    await shown?.end();
  }
}

/** Starts a dashboard in its own process and prints its address; warns if it cannot start. */
async function startBeside(folder: string, io: Io) {
  // a separate process group: Ctrl-C stops only the run, and the dashboard shows its last steps
  const words = [programFile('cli/main.js'), 'serve', resolve(folder), '--json'];
  const stdio = ['ignore', 'pipe', 'ignore', 'ipc'] as const;
  const child = spawn(process.execPath, words, { detached: true, stdio: [...stdio] });
  const gone = new Promise<undefined>(resolve => {
    for (const event of ['exit', 'error']) child.once(event, () => resolve(undefined));
  });
  const printed = new Promise<string>(resolve => {
    child.stdout?.once('data', text => resolve((JSON.parse(String(text)) as { url: string }).url));
  });
  const url = await Promise.race([gone, printed]);
  if (url === undefined) {
    io.err('warning: the dashboard did not start; run `cellrun serve` to see why\n');
    return undefined;
  }
  io.err(`Dashboard: ${url}\n`);
  child.unref();
  child.channel?.unref();
  const end = async (): Promise<void> => {
    child.ref();
    if (child.connected) child.disconnect();
    await gone;
  };
  const keep = async (): Promise<void> => {
    io.err(`The dashboard stays at ${url} until Ctrl-C.\n`);
    child.ref();
    const giveBack = takeSignals(() => void end());
    await gone;
    giveBack();
  };
  return { keep, end };
}

/** Warns if a folder has runs too deep to be shown. */
export function warnOfDeeper(folder: string, io: Io): void {
  const deeper = kindOf(folder) === undefined ? deeperFolder(folder, findRuns(folder)) : undefined;
  if (deeper !== undefined)
    io.err(
      `warning: ${printable(folder)}: runs more than ${DEPTH} directories deep are not shown, such as those in ${printable(join(folder, deeper))}\n`,
    );
}
