/**
 * The dashboard of a run or sweep, in a separate process, so that no failure there can stop
 * training. It ends with the program that started it, even if that is killed, because the channel
 * between them closes.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { programFile } from '../../util/root.js';
import { takeSignals } from '../stop-at-once.js';
import type { Io } from '../terminal/io.js';

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
