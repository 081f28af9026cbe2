/**
 * A dashboard beside a run or sweep, in a process of its own: training keeps its thread, its memory and its results, and cannot be
 * stopped by what happens there. It ends with the program that started it, however that ends, since the channel between them then closes.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { programFile } from '../../util/root.js';
import type { DashboardOption } from '../options.js';
import { takeSignals } from '../stop-at-once.js';
import type { Io } from '../terminal/io.js';

export interface DashboardBeside {
  /** The work is done: ends it, or lets it stay until a signal where that was asked for. */
  done(): Promise<void>;
  /** Ends it, if it still runs. */
  end(): Promise<void>;
}

const NONE: DashboardBeside = { done: async () => {}, end: async () => {} };

/** Starts one that shows `folder`, and says its address. What keeps it from starting is said too, and keeps nothing else from going on. */
export async function startDashboardBeside(
  option: DashboardOption,
  folder: string,
  io: Io,
): Promise<DashboardBeside> {
  if (option === 'none') return NONE;
  const program = programFile('cli/main.js');
  // a group of its own: Ctrl-C at the terminal is for the run, whose last steps are still to be seen
  const child = spawn(process.execPath, [program, 'serve', resolve(folder), '--json'], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
  });
  const url = await addressOf(child);
  if (url === undefined) {
    io.err('warning: the dashboard did not start; `serve` says why\n');
    return NONE;
  }
  io.err(`Dashboard: ${url}\n`);
  child.unref();
  child.channel?.unref();
  return {
    done: () => (option === 'until the end' ? ended(child) : kept(child, url, io)),
    end: () => ended(child),
  };
}

/** The first line that it prints; undefined where it ends without one. */
async function addressOf(child: ChildProcess): Promise<string | undefined> {
  const failed = new Promise<undefined>(resolve => child.once('error', () => resolve(undefined)));
  const said = async (): Promise<string | undefined> => {
    if (child.stdout === null) return undefined;
    for await (const line of createInterface({ input: child.stdout }))
      return (JSON.parse(line) as { readonly url: string }).url;
    return undefined;
  };
  return Promise.race([failed, said()]);
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
