/** `sweep CONFIG|SWEEP`, `sweep resume`: all trials of a sweep, and what came of them. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { BackendRequest } from '../../engine/backend.js';
import type { Width } from '../../engine/simd/target.js';
import { checkNotesChange } from '../../experiment/notes.js';
import { SweepModels } from '../../library/sweep-models.js';
import {
  fromCommandLine,
  isSweepFile,
  type LoadedSweep,
  loadSweep,
  type SweepFlags,
} from '../../sweep/config/index.js';
import { readJournal } from '../../sweep/journal.js';
import { bestRow, formatTable, summaryOf, troubleOf, writeResults } from '../../sweep/results/index.js';
import {
  type SweepOptions as OrchestratorOptions,
  resumeSweep,
  runSweep,
  type SweepResult,
} from '../../sweep/run.js';
import { SweepDirectory } from '../../sweep/sweep-directory.js';
import { usableCores } from '../../training/step/threads.js';
import { type Diagnostic, EXIT, type ExitCode, UserError, usageError } from '../../util/errors.js';
import type { DashboardOption } from '../options.js';
import { onStopSignal } from '../signals.js';
import { formatWarnings } from '../terminal/diagnostics.js';
import { HintedError } from '../terminal/hinted-error.js';
import type { Io } from '../terminal/io.js';
import { startDashboardBeside } from '../verbs/dashboard-process.js';
import { type RepeatedFlags, resumeHint } from '../verbs/result.js';
import { addNotes } from '../verbs/tag.js';
import { type LauncherOptions, launcherFlags, launcherOf, launcherProblems } from './launcher.js';
import { bestTable, remarks } from './status.js';
import { createSweepView } from './view.js';

export interface SweepRunOptions extends LauncherOptions {
  /** `undefined`: what the sweep had before. */
  readonly backend: BackendRequest | undefined;
  /** Of all trials together; `undefined`: as many as the machine has cores. */
  readonly threads: number | undefined;
  /** Bits of vectors on webasm; `undefined`: those that pay where a trial runs. */
  readonly width: Width | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly dashboard: DashboardOption;
  readonly version: string;
}

export interface SweepOptions extends SweepRunOptions {
  readonly backend: BackendRequest;
  readonly set: readonly string[];
  readonly flags: SweepFlags;
  readonly output: string;
  readonly dryRun: boolean;
  readonly tags: readonly string[];
  readonly note: string | undefined;
}

/** @param words a sweep file; or configs, and `key=value,value…` */
export async function sweep(words: readonly string[], options: SweepOptions, io: Io): Promise<ExitCode> {
  const notes = { add: options.tags, remove: [], note: options.note };
  const loaded = together(launcherProblems(options), () => {
    checkNotesChange(notes);
    return load(words, options);
  });
  const models = new SweepModels(loaded);
  const warnings = [...loaded.warnings, ...(await models.check())];
  if (warnings.length > 0) io.err(`${formatWarnings(warnings, io.color.err)}\n`);
  const { plan, bases, givenYaml } = loaded;
  if (options.dryRun) {
    // it brings the whole engine along, which else only the trials need
    const { dryRun } = await import('./dry-run.js');
    const threads = Math.max(1, Math.floor((options.threads ?? usableCores()) / plan.parallel));
    return dryRun(loaded, models, { ...options, threads }, io);
  }
  const { output } = options;
  return runToEnd(options, output, io, (shared, opened) =>
    runSweep({ plan, bases, givenYaml, output }, shared, directory => {
      addNotes(directory.path, notes);
      opened(directory);
    }),
  );
}

export interface ResumeOptions extends SweepRunOptions {
  /** Whether failed trials are tried again. */
  readonly retryFailed: boolean;
}

export async function resumeSweepAt(path: string, options: ResumeOptions, io: Io): Promise<ExitCode> {
  const directory = together(launcherProblems(options), () => SweepDirectory.open(path));
  return runToEnd(options, path, io, (shared, opened) => {
    opened(directory);
    return resumeSweep(path, { ...shared, retryFailed: options.retryFailed });
  });
}

/** Throws exit 2 with what is wrong with the flags as well as with what `action` is given. */
function together<T>(problems: readonly Diagnostic[], action: () => T): T {
  let done: T;
  try {
    done = action();
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== EXIT.usage) throw error;
    throw usageError(...error.diagnostics, ...problems);
  }
  if (problems.length > 0) throw usageError(...problems);
  return done;
}

function load(words: readonly string[], { set, flags }: SweepOptions): LoadedSweep {
  const assignments = words.filter(word => word.includes('='));
  const files = words.filter(word => !word.includes('=')).flatMap(configsIn);
  if (files.length === 0) {
    const message = 'no config to sweep over is named';
    throw usageError({
      code: 'cli/sweep',
      message,
      expected: 'a sweep file, or configs and KEY=VALUE,VALUE…',
    });
  }
  const sweeps = files.filter(isSweepFile);
  if (files.length === 1 && sweeps.length === 1 && assignments.length === 0)
    return loadSweep(files[0], { set, flags });
  if (sweeps.length > 0) {
    const message = `${sweeps[0]} is a sweep file, which has its parameters in it`;
    throw usageError({ code: 'cli/sweep', message, expected: 'the sweep file alone, or configs' });
  }
  return fromCommandLine(files, assignments, { set, flags });
}

const CONFIG = /\.(ya?ml|json)$/i;

/** The configs in a folder, by their names; a file as it is. Throws exit 2 where a folder has none. */
function configsIn(path: string): readonly string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  const names = readdirSync(path).filter(name => CONFIG.test(name));
  if (names.length > 0) return names.toSorted().map(name => join(path, name));
  throw usageError({
    code: 'cli/sweep',
    message: 'there is no config in this folder',
    file: path,
    expected: 'files that end in .yaml, .yml or .json',
  });
}

/** The flags that a sweep must be gone on with, as they were given. */
function repeated(options: SweepRunOptions): RepeatedFlags {
  const { backend, threads, width } = options;
  const { flags, note } = launcherFlags(options);
  return {
    flags: [
      ...flags,
      ...(backend === undefined || backend === 'auto' ? [] : ['--backend', backend]),
      ...(threads === undefined ? [] : ['--threads', String(threads)]),
      ...(width === undefined ? [] : ['--width', String(width)]),
    ],
    note,
  };
}

type Start = (
  options: OrchestratorOptions,
  opened: (directory: SweepDirectory) => void,
) => Promise<SweepResult>;

/** @param watched the folder that a dashboard shows */
async function runToEnd(options: SweepRunOptions, watched: string, io: Io, start: Start): Promise<ExitCode> {
  let directory: SweepDirectory | undefined;
  let view: ReturnType<typeof createSweepView> | undefined;
  // what is said of a signal must not come between the table and its place
  const aside = { err: (text: string) => (view === undefined ? io.err(text) : view.line(text.trimEnd())) };
  const stop = onStopSignal({ ...aside, interactive: false }, () =>
    directory === undefined ? '' : resumeHint('sweep resume', directory.path, repeated(options)),
  );
  const watching = await startDashboardBeside(options.dashboard, watched, io);
  const opened = (made: SweepDirectory): void => {
    directory = made;
    view = createSweepView(io, made.readPlan(), options.quiet);
    view.recall(readJournal(made.files.journal).records);
    if (!options.quiet) io.err(`${made.path}\n`);
  };
  try {
    const {
      exitCode,
      end,
      directory: done,
    } = await start(
      {
        threads: options.threads ?? usableCores(),
        backend: options.backend,
        width: options.width,
        launcher: launcherOf(options),
        observer: {
          decided: decision => view?.decided(decision),
          started: (segment, attempt) => view?.started(segment, attempt),
          ended: result => view?.ended(result),
          redecided: decisions => view?.redecided(decisions),
          warning: text => view?.warning(text),
        },
        signal: stop.signal,
        version: options.version,
        now: () => new Date(),
      },
      opened,
    );
    view?.end();
    print(done, options, io, end === 'interrupted');
    if (!stop.signal.aborted) {
      // signals are now for the dashboard
      stop.release();
      await watching.done();
    }
    return exitCode;
  } catch (error) {
    view?.end();
    // what is damaged stays so, however often the sweep is gone on with
    const isOfNoUse = error instanceof UserError && error.exitCode === EXIT.damaged;
    throw directory === undefined || isOfNoUse
      ? error
      : new HintedError(error, resumeHint('sweep resume', directory.path, repeated(options)));
  } finally {
    stop.release();
    await watching.end();
  }
}

function print(directory: SweepDirectory, options: SweepRunOptions, io: Io, isInterrupted: boolean): void {
  const { json, quiet } = options;
  const results = writeResults(directory);
  const { plan, records } = results;
  if (json) io.out(`${JSON.stringify(summaryOf(results))}\n`);
  else {
    const table = bestTable(results, 5);
    if (table.rows.length > 0) io.out(formatTable(table, 'text', Math.max(80, io.columns ?? 120)));
    io.out(remarks(results));
    if (!quiet) {
      const best = bestRow(plan, records) === undefined ? '' : `${directory.files.best}\n`;
      io.out(`\n${best}${directory.files.table}\n`);
    }
  }
  const trouble = troubleOf(records);
  if (trouble !== undefined) io.err(`cellrun: ${trouble.message}\n`);
  if (isInterrupted) io.err(resumeHint('sweep resume', directory.path, repeated(options)));
}
