/**
 * Runs the trials of a sweep for `sweep` and `sweep resume`, with the launcher that `--launcher`
 * selects.
 */

import { usableCores } from '../../engine/backend.js';
import type { BackendRequest } from '../../engine/backend-names.js';
import type { SweepDirectory } from '../../sweep/directory.js';
import { bestRow, summaryOf, troubleOf, writeResults } from '../../sweep/index.js';
import { readJournal } from '../../sweep/journal.js';
import type { Launcher } from '../../sweep/launcher.js';
import { parseQueue } from '../../sweep/launchers/queue.js';
import type { SweepOptions, SweepResult } from '../../sweep/run.js';
import { type Diagnostic, EXIT, type ExitCode, UserError, usageError } from '../../util/errors.js';
import { formatTable } from '../../util/table.js';
import { printable } from '../../util/words.js';
import { dashboards, json, quiet, width } from '../command/options.js';
import { type RepeatedFlags, resumeHint } from '../command/result.js';
import { onStopSignal } from '../command/signals.js';
import { choice, integer, list, type Shell, text, type Values } from '../command/verb.js';
import { HintedError } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
import { bestTable, remarks, widthOf } from '../verbs/compare-trials.js';
import { startDashboardBeside } from '../verbs/serve.js';
import { createSweepView } from './view.js';

const launcherOptions = {
  launcher: choice('<name>', ['local', 'slurm', 'bullmq'], 'how trials are started').default('local'),
  queue: text('<url>', 'queue for --launcher bullmq: redis://host:6379 (env: CELLRUN_QUEUE)'),
  sbatch: list('<option>', 'option for sbatch, such as --partition=long'),
};

export type LauncherOptions = Values<typeof launcherOptions>;

export const runnerOptions = {
  ...launcherOptions,
  threads: integer('<n>', 'compute threads of all trials together (default: all cores)', {
    min: 1,
    max: 1024,
  }),
  width,
  ...dashboards,
  json: json('the summary'),
  quiet,
};

export interface SweepRunOptions extends Values<typeof runnerOptions> {
  readonly backend: BackendRequest | undefined;
}

/** Adds the queue from the environment. Other launchers ignore it, since it may be for workers. */
export function withQueue<T extends LauncherOptions>(options: T): T {
  const queue = options.launcher === 'bullmq' ? process.env.CELLRUN_QUEUE || undefined : undefined;
  return { ...options, queue: options.queue ?? queue };
}

/**
 * Checks that options can be combined, and the queue's address.
 * @throws UserError (exit 2) with all problems
 */
export function checkLauncher(options: LauncherOptions & { readonly width: unknown }): void {
  const { launcher, queue, sbatch, width } = options;
  const isQueue = launcher === 'bullmq';
  const problems: Diagnostic[] = [];
  const refuseIf = (isWrong: boolean, message: string, expected: string): void => {
    if (isWrong) problems.push({ code: 'cli/launcher', message, expected });
  };
  const cannot = (flag: string) => `${flag} cannot be used with --launcher ${launcher}`;
  refuseIf(isQueue && queue === undefined, '--launcher bullmq requires --queue', '--queue redis://HOST:6379');
  refuseIf(!isQueue && queue !== undefined, cannot('--queue'), '--launcher bullmq');
  refuseIf(launcher !== 'slurm' && sbatch.length > 0, cannot('--sbatch'), '--launcher slurm');
  const ownWidth = `${cannot('--width')}: each worker measures its own`;
  refuseIf(isQueue && width !== undefined, ownWidth, 'no --width');
  if (problems.length > 0) throw usageError(...problems);
  if (queue !== undefined) parseQueue(queue);
}

type Start = (options: SweepOptions, opened: (directory: SweepDirectory) => void) => Promise<SweepResult>;

/**
 * Runs a sweep, shows its progress and prints the result.
 * @param watched the directory that a dashboard shows
 */
export async function runToEnd(
  options: SweepRunOptions,
  watched: string,
  { io }: Shell,
  start: Start,
): Promise<ExitCode> {
  let directory: SweepDirectory | undefined;
  let view: ReturnType<typeof createSweepView> | undefined;
  // messages must not move the table, which is redrawn in place
  const above = { err: (text: string) => (view === undefined ? io.err(text) : view.line(text.trimEnd())) };
  const hint = (path: string) => resumeHint('sweep resume', path, repeatedFlags(options));
  const stop = onStopSignal({ ...above, interactive: false }, () =>
    directory === undefined ? '' : hint(directory.path),
  );
  const watching = await startDashboardBeside(options, watched, io);
  const opened = (made: SweepDirectory): void => {
    directory = made;
    const { records } = readJournal(made.files.journal);
    view = createSweepView(io, made.readPlan(), options.quiet, records);
    if (!options.quiet) io.err(`${printable(made.path)}\n`);
  };
  try {
    const result = await start(
      {
        threads: options.threads ?? usableCores(),
        backend: options.backend,
        width: options.width,
        launcher: (directory, warn) => launcherOf(options, directory, warn),
        observer: {
          recorded: record => view?.recorded(record),
          warning: text => view?.warning(text),
        },
        signal: stop.signal,
      },
      opened,
    );
    view?.end();
    print(result.directory, options, io);
    if (result.end === 'interrupted') io.err(hint(result.directory.path));
    if (!stop.signal.aborted) {
      // signals are now for the dashboard
      stop.release();
      await watching.done();
    }
    return result.exitCode;
  } catch (error) {
    view?.end();
    // resuming does not repair damage, and another process may be at work
    const cannotResume =
      error instanceof UserError &&
      (error.exitCode === EXIT.damaged || error.diagnostics.some(({ code }) => code === 'run/in-use'));
    throw directory === undefined || cannotResume ? error : new HintedError(error, hint(directory.path));
  } finally {
    stop.release();
    await watching.end();
  }
}

function print(directory: SweepDirectory, { json, quiet }: SweepRunOptions, io: Io): void {
  const results = writeResults(directory);
  const { plan, records } = results;
  if (json) io.data(`${JSON.stringify(summaryOf(results))}\n`);
  else {
    const table = bestTable(results, 5);
    if (table.rows.length > 0) io.out(formatTable(table, 'text', widthOf(io)));
    io.out(remarks(results));
    if (quiet) io.out(`Sweep directory: ${printable(directory.path)}\n`);
    else {
      const { best, table } = directory.files;
      const written = bestRow(plan, records) === undefined ? [table] : [best, table];
      io.out(`\n${written.map(file => `${printable(file)}\n`).join('')}`);
    }
  }
  const trouble = troubleOf(records);
  if (trouble !== undefined) io.err(`cellrun: ${printable(trouble.message)}\n`);
}

/**
 * The flags to repeat when the sweep is resumed, without the queue's password, which would stay in
 * terminals and logs.
 */
export function repeatedFlags(options: Partial<SweepRunOptions>): RepeatedFlags {
  const { launcher = 'local', queue, sbatch = [], backend, threads, width } = options;
  const address = queue !== undefined && URL.canParse(queue) ? new URL(queue) : undefined;
  const isSecret = address !== undefined && address.password !== '';
  if (address !== undefined) address.password = '';
  const valued = {
    '--launcher': launcher === 'local' ? undefined : launcher,
    '--queue': isSecret ? String(address) : queue,
    '--backend': backend === 'auto' ? undefined : backend,
    '--threads': threads,
    '--width': width,
  };
  return {
    flags: [
      ...Object.entries(valued).flatMap(([flag, value]) =>
        value === undefined ? [] : [flag, String(value)],
      ),
      ...sbatch.map(option => `--sbatch=${option}`),
    ],
    note: isSecret ? "Add the queue's password: it is not shown here." : '',
  };
}

/** Creates the launcher, whose packages are loaded only here. */
async function launcherOf(
  { launcher, queue = '', sbatch }: LauncherOptions,
  { path, outputRoot }: SweepDirectory,
  warn: (text: string) => void,
): Promise<Launcher> {
  switch (launcher) {
    case 'local':
      return new (await import('../../sweep/launchers/local.js')).LocalLauncher();
    case 'slurm':
      return (await import('../../sweep/launchers/slurm.js')).SlurmLauncher.open({ directory: path, sbatch });
    case 'bullmq': {
      const { BullmqLauncher } = await import('../../sweep/launchers/bullmq.js');
      return BullmqLauncher.open({ queue, folder: outputRoot, warn });
    }
    default:
      return launcher satisfies never;
  }
}
