/** `serve`: runs the dashboard, or a service of predictions, until a signal ends it. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Logger } from '../../host/index.js';
import { DEPTH, deeperFolder, findRuns, kindOf } from '../../run/find.js';
import { EXIT, UserError, usageError } from '../../util/errors.js';
import { programFile } from '../../util/root.js';
import { logLevel, withServiceLog } from '../command/service-log.js';
import { type onStopSignal, takeSignals } from '../command/signals.js';
import {
  checkpoint,
  count,
  defineVerb,
  flag,
  integer,
  json,
  list,
  type progress,
  savedModel,
  text,
  type Values,
} from '../command/verb.js';
import type { Io } from '../terminal/io.js';

const DEFAULT_PORT = 7420;
const DEFAULT_ROOT = 'experiments';

const predicting = { requires: 'predict' };

const options = {
  host: text('<address>', 'address to listen on; others can read your runs unless it is local').default(
    '127.0.0.1',
  ),
  port: integer('<n>', `port, 0 for any free one (default: ${DEFAULT_PORT}, or any if it is in use)`, {
    min: 0,
    max: 65_535,
  }),
  predict: flag('predict with the models of these runs, instead of showing runs: see /openapi.json'),
  threads: integer('<n>', 'threads that predict (default: one for each processor core)', {
    min: 1,
    max: 1024,
  }).with(predicting),
  timeout: count('<s>', 'seconds for a body to arrive, and for a prediction (default: 30)').with(predicting),
  maxBody: count('<kb>', 'size of a body, or of a line of it (default: 8192)').with(predicting),
  allowHost: list('<name>', 'another host name of this service, such as that of a proxy').with(predicting),
  checkpoint: checkpoint.with(predicting),
  weights: savedModel.weights.with(predicting),
  logLevel,
  json: json('the address'),
};

type ServeOptions = Values<typeof options>;

export const verb = defineVerb({
  arguments: '[paths...]',
  options,
  help: 'Without --predict, shows the runs of one directory (default: experiments).',
  action: ([paths], options, { io, version }) =>
    withServiceLog(io, options.logLevel, async log => {
      const { host, port, json } = options;
      const { isLoopback } = await import('../../view/server/http.js');
      const server = options.predict
        ? await onPort(port, await service(paths, options, version, log))
        : await onPort(port, await dashboard(paths, options, log));
      if (!isLoopback(host)) {
        const can = options.predict ? 'predict with these models' : 'read these runs';
        log.warn({ host }, `everyone who can reach ${host} can ${can}; there is no password`);
      }
      const { url } = server;
      const named = paths.length > 0 ? paths : [DEFAULT_ROOT];
      const what = options.predict ? 'predicting with the models of' : 'showing the runs of';
      log.info({ url, paths: named }, `${what} ${named.join(', ')}`);
      if (json) io.data(`${JSON.stringify({ url })}\n`);
      else io.out(`${url}\n`);
      const signal = await stopped();
      // a terminal has printed ^C
      if (io.interactive) io.err('\n');
      log.info({ signal }, 'stopping');
      await server.close();
      return EXIT.done;
    }),
});

interface Running {
  readonly url: string;
  close(): Promise<void>;
}

type Listen = (port: number) => Promise<Running>;

async function dashboard(paths: readonly string[], { host }: ServeOptions, log: Logger): Promise<Listen> {
  const [root = DEFAULT_ROOT, another] = paths;
  if (another !== undefined) {
    throw usageError('cli/excessArguments', `unexpected argument '${another}'`, {
      expected: 'one directory, or runs with --predict',
    });
  }
  if (!existsSync(root)) log.warn({}, `${root} does not exist yet; its runs will appear once it does`);
  else warnOfDeeper(root, text => log.warn({}, text));
  const { startDashboard } = await import('../../view/server/dashboard.js');
  const { audioOf } = await import('../command/recorded-audio.js');
  return port => startDashboard({ root, host, port, audioOf, log });
}

async function service(
  paths: readonly string[],
  { host, threads, timeout = 30, maxBody = 8192, allowHost, checkpoint, weights }: ServeOptions,
  version: string,
  log: Logger,
): Promise<Listen> {
  if (paths.length === 0)
    throw usageError('cli/missingArgument', '--predict needs runs', {
      expected: 'cellrun serve RUN… --predict',
    });
  const { startService, servedModels } = await import('../../serve/service.js');
  const { usableCores } = await import('../../engine/backend.js');
  const models = await servedModels(paths, { checkpoint, weights });
  const names = allowHost.map(name => name.toLowerCase());
  const limits = { timeoutMs: timeout * 1000, maxBytes: maxBody * 1024 };
  const settings = { models, host, names, version, threads: threads ?? usableCores(), ...limits };
  return port => startService({ ...settings, port, log });
}

/** @param port undefined: the default one, or any if that is in use */
async function onPort(port: number | undefined, listen: Listen): Promise<Running> {
  const { PORT_TAKEN } = await import('../../view/server/http.js');
  try {
    return await listen(port ?? DEFAULT_PORT);
  } catch (error) {
    const isTaken = error instanceof UserError && error.diagnostics.some(({ code }) => code === PORT_TAKEN);
    if (port === undefined && isTaken) return listen(0);
    throw error;
  }
}

/** Resolves to the name of a signal; without one when the program that started this one ends. */
function stopped(): Promise<NodeJS.Signals | undefined> {
  return new Promise(resolve => {
    const giveBack = takeSignals(name => {
      giveBack();
      resolve(name);
    });
    process.once('disconnect', () => resolve(undefined));
    // that program may have ended while this one was starting
    if (process.connected === false) resolve(undefined);
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
export function warnOfDeeper(folder: string, warn: (text: string) => void): void {
  const deeper = kindOf(folder) === undefined ? deeperFolder(folder, findRuns(folder)) : undefined;
  if (deeper !== undefined)
    warn(
      `${folder}: runs more than ${DEPTH} directories deep are not shown, such as those in ${join(folder, deeper)}`,
    );
}
