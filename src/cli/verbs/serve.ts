/** `serve [DIR]`: the dashboard, until a signal ends it. */
import { existsSync } from 'node:fs';
import { type Dashboard, isLoopback, PORT_TAKEN, startReportDashboard } from '../../report/server/index.js';
import { EXIT, type ExitCode, UserError } from '../../util/errors.js';
import { takeSignals } from '../stop-at-once.js';
import type { Io } from '../terminal/io.js';
import { warnOfDeeper } from './deeper-runs.js';

export interface ServeOptions {
  readonly host: string;
  /** `undefined`: the usual one, or any where that is taken. */
  readonly port: number | undefined;
  readonly json: boolean;
}

const USUAL_PORT = 7420;

/** Throws exit 2 where the folder cannot be read, or the address is not to be had. */
export async function serve(folder: string, { host, port, json }: ServeOptions, io: Io): Promise<ExitCode> {
  if (!existsSync(folder))
    io.err(`warning: ${folder}: there is no such folder yet; runs appear once it is there\n`);
  else warnOfDeeper(folder, io);
  const dashboard = await start(folder, host, port, io);
  if (!isLoopback(host))
    io.err(`warning: whoever reaches ${host} can read these runs; the dashboard asks nobody who they are\n`);
  io.out(json ? `${JSON.stringify({ url: dashboard.url })}\n` : `${dashboard.url}\n`);
  await stopped();
  await dashboard.close();
  return EXIT.done;
}

async function start(root: string, host: string, port: number | undefined, io: Io): Promise<Dashboard> {
  const on = (chosen: number): Promise<Dashboard> =>
    startReportDashboard({ root, host, port: chosen, defect: error => io.err(`${described(error)}\n`) });
  try {
    return await on(port ?? USUAL_PORT);
  } catch (error) {
    const isTaken = error instanceof UserError && error.diagnostics.some(({ code }) => code === PORT_TAKEN);
    if (port === undefined && isTaken) return on(0);
    throw error;
  }
}

/** A request failed in a way that is a defect of ours: where it happened is all that helps. */
function described(error: unknown): string {
  return `cellrun: a request failed: ${error instanceof Error ? error.stack : String(error)}`;
}

/** A signal, or the end of the program that started this one. */
function stopped(): Promise<void> {
  return new Promise(resolve => {
    const giveBack = takeSignals(() => {
      giveBack();
      resolve();
    });
    process.once('disconnect', () => resolve());
    // it may have ended while this one was starting
    if (process.connected === false) resolve();
  });
}
