/** `worker`: carries out the tasks that sweeps put into a queue. */
import { realpathSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { makeFolder } from '../../experiment/files/new-folder.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import { quietOption, type Shell, verb } from '../flags.js';
import { parseCount, parseFolder } from '../options.js';
import { onStopSignal } from '../signals.js';
import type { Io } from '../terminal/io.js';

interface Flags {
  readonly queue: string;
  readonly root: string;
  readonly concurrency: number;
  readonly lease: number;
  readonly quiet?: boolean;
}

export function addWorker(program: Command, { io, finish }: Shell): void {
  verb(program, 'worker', 'carry out the tasks that sweeps put into a queue')
    .addOption(
      new Option('--queue <url>', 'redis://host:6379, with ?queue=NAME for one of several queues')
        .env('CELLRUN_QUEUE')
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--root <dir>', 'touch no run outside of this folder; the same path on all machines')
        .argParser(parseFolder)
        .default('experiments'),
    )
    .addOption(new Option('--concurrency <n>', 'tasks at the same time').argParser(parseCount).default(1))
    .addOption(
      new Option('--lease <seconds>', 'after so long without news its tasks go to another worker')
        .argParser(parseLease)
        .default(60),
    )
    .addOption(quietOption())
    .action(async (flags: Flags) => finish(await worker(flags, io)));
}

/** Works until it is asked to stop. Throws exit 2 where the root or the queue cannot be got at. */
async function worker({ root, quiet = false, ...plan }: Flags, io: Io): Promise<ExitCode> {
  const place = madeFolder(root);
  const stop = onStopSignal(io);
  const say = (line: string) => {
    if (!quiet) io.err(`${line}\n`);
  };
  try {
    const { workOn } = await import('../../sweep/launchers/worker.js');
    await workOn({ ...plan, root: place, say }, stop.signal);
    return EXIT.done;
  } finally {
    stop.release();
  }
}

/** A worker may be started before the first sweep makes the folder. */
function madeFolder(path: string): string {
  makeFolder(path, path, 'this folder');
  return realpathSync(path);
}

/** Less would not leave a run the time to stop in order. */
function parseLease(text: string): number {
  const seconds = Number(text);
  if (/^\d+$/.test(text) && seconds >= 2 && seconds <= 86_400) return seconds;
  throw new InvalidArgumentError('Expected a whole number of seconds from 2 to 86400.');
}
