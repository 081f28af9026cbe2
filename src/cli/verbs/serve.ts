/** `serve [DIR]`: runs the dashboard until a signal ends it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { DEPTH, deeperFolder, findRuns, kindOf } from '../../run/find.js';
import { EXIT, UserError } from '../../util/errors.js';
import { programFile } from '../../util/root.js';
import { printable } from '../../util/words.js';
import type { Dashboard } from '../../view/server/dashboard.js';
import { json } from '../command/options.js';
import { takeSignals } from '../command/stop-at-once.js';
import { defineVerb, integer, text } from '../command/verb.js';
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
  const listen = (port: number) => startDashboard({ root, host, port, onBug });
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

export interface DashboardOptions {
  readonly dashboard: boolean;
  /** Starts a dashboard too, and keeps it until a signal. */
  readonly keepDashboard: boolean;
}

export interface DashboardBeside {
  /** Call when the work is done. Ends the dashboard, or keeps it until a signal. */
  done(): Promise<void>;
  /** Ends the dashboard if it still runs. */
  end(): Promise<void>;
}

const NONE: DashboardBeside = { done: async () => {}, end: async () => {} };

/** Starts a dashboard of `folder` and prints its address. Only warns if it cannot start. */
export async function startDashboardBeside(
  { dashboard, keepDashboard }: DashboardOptions,
  folder: string,
  io: Io,
): Promise<DashboardBeside> {
  if (!dashboard && !keepDashboard) return NONE;
  const program = programFile('cli/main.js');
  // a separate process group: Ctrl-C stops only the run, and the dashboard shows its last steps
  const child = spawn(process.execPath, [program, 'serve', resolve(folder), '--json'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
  });
  const url = await addressOf(child);
  if (url === undefined) {
    io.err('warning: the dashboard did not start; run `cellrun serve` to see why\n');
    return NONE;
  }
  io.err(`Dashboard: ${url}\n`);
  child.unref();
  child.channel?.unref();
  return {
    done: () => (keepDashboard ? kept(child, url, io) : ended(child)),
    end: () => ended(child),
  };
}

/** The address that the dashboard prints; undefined if it ends without one. */
async function addressOf(child: ChildProcess): Promise<string | undefined> {
  const failed = new Promise<undefined>(resolve => child.once('error', () => resolve(undefined)));
  const printed = async (): Promise<string | undefined> => {
    if (child.stdout === null) return undefined;
    for await (const line of createInterface({ input: child.stdout }))
      return (JSON.parse(line) as { readonly url: string }).url;
    return undefined;
  };
  return Promise.race([failed, printed()]);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise(resolve => child.once('exit', resolve));
  child.ref();
  child.disconnect();
  await gone;
}

async function kept(child: ChildProcess, url: string, io: Io): Promise<void> {
  io.err(`The dashboard stays at ${url} until Ctrl-C.\n`);
  child.ref();
  const gone = new Promise(resolve => child.once('exit', resolve));
  const end = (): void => {
    if (child.connected) child.disconnect();
  };
  const giveBack = takeSignals(end);
  await gone;
  giveBack();
}

/**
 * Warns if a folder has runs too deep to be shown.
 * @throws UserError (exit 2) if the folder cannot be read
 */
export function warnOfDeeper(folder: string, io: Io): void {
  const deeper = kindOf(folder) === undefined ? deeperFolder(folder, findRuns(folder)) : undefined;
  if (deeper !== undefined)
    io.err(
      `warning: ${printable(folder)}: runs more than ${DEPTH} directories deep are not shown, such as those in ${printable(join(folder, deeper))}\n`,
    );
}
