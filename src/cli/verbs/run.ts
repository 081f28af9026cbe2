/** `run CONFIG` and `resume RUN`: train, and tell how it went. */
import { resolve } from 'node:path';
import { loadExperiment } from '../../config/index.js';
import { spellNonFinite } from '../../experiment/files/json.js';
import { checkNotesChange } from '../../experiment/notes.js';
import type { Summary } from '../../experiment/summary.js';
import { sweepFolder } from '../../review/reading/find.js';
import { resumeExperiment } from '../../training/resume/resume.js';
import type { RunObserver, RunResult } from '../../training/run/observer.js';
import { runExperiment } from '../../training/run/run.js';
import type { ExitCode } from '../../util/errors.js';
import type { ResumeOptions, RunOptions } from '../options.js';
import { onStopSignal } from '../signals.js';
import { HintedError } from '../terminal/hinted-error.js';
import type { Io } from '../terminal/io.js';
import { createProgress, type Progress } from '../terminal/progress.js';
import { startDashboardBeside } from './dashboard-process.js';
import { printProblems, printResult, resumeHint } from './result.js';
import { addNotes } from './tag.js';

export async function run(config: string, options: RunOptions, io: Io): Promise<ExitCode> {
  const notes = { add: options.tags, remove: [], note: options.note };
  checkNotesChange(notes);
  const loaded = loadExperiment(config, { set: options.set });
  return runToEnd(options, options.directory ?? options.output, io, (signal, observer) =>
    runExperiment(
      loaded,
      { ...options, started: new Date(), signal },
      {
        ...observer,
        begin: plan => {
          addNotes(plan.directory, notes);
          observer.begin(plan);
        },
      },
    ),
  );
}

export async function resume(path: string, options: ResumeOptions, io: Io): Promise<ExitCode> {
  const sweep = sweepFolder(resolve(path));
  if (sweep !== undefined)
    io.err(
      `warning: ${path} is a trial of a sweep, which will not know what comes now; \`sweep resume ${sweep}\` is how a sweep goes on\n`,
    );
  return runToEnd(options, path, io, (signal, observer) =>
    resumeExperiment(path, { ...options, started: new Date(), signal }, observer),
  );
}

/** @param watched the folder that a dashboard shows */
async function runToEnd(
  { quiet, json, dashboard }: Pick<RunOptions, 'quiet' | 'json' | 'dashboard'>,
  watched: string,
  io: Io,
  train: (signal: AbortSignal, observer: RunObserver) => Promise<RunResult>,
): Promise<ExitCode> {
  let begun: string | undefined;
  const stop = onStopSignal(io, () => (begun === undefined ? '' : resumeHint('resume', begun)));
  const watching = await startDashboardBeside(dashboard, watched, io);
  let left: string | undefined;
  let failed: Summary | undefined;
  const observing = observer(io, quiet, {
    begin: ({ directory }) => {
      begun = directory;
    },
    failed: summary => {
      failed = summary;
    },
    resumable: directory => {
      left = directory;
    },
  });
  try {
    const result = await train(stop.signal, observing);
    const { exitCode, summary } = result;
    if (json) printJson(summary, io);
    else printResult(summary, quiet, io);
    printProblems(result, json, io);
    if (!stop.signal.aborted) {
      // signals are now for the dashboard
      stop.release();
      await watching.done();
    }
    return exitCode;
  } catch (error) {
    if (json && failed !== undefined) printJson(failed, io);
    throw left === undefined ? error : new HintedError(error, resumeHint('resume', left));
  } finally {
    stop.release();
    await watching.end();
  }
}

function printJson(summary: Summary, io: Io): void {
  io.out(`${JSON.stringify(spellNonFinite(summary))}\n`);
}

function observer(
  io: Io,
  quiet: boolean,
  { begin, failed, resumable }: Pick<RunObserver, 'begin' | 'failed' | 'resumable'>,
): RunObserver {
  let progress: Progress | undefined;
  const print = (text: string) => (progress && !quiet ? progress.line(text) : io.err(`${text}\n`));
  return {
    begin: plan => {
      begin(plan);
      progress = createProgress(io, { ...plan, quiet });
    },
    step: step => progress?.step(step),
    evaluating: step => progress?.evaluating(step),
    evaluated: evaluation => progress?.evaluated(evaluation),
    saved: () => progress?.saved(),
    warning: text => print(`warning: ${text}`),
    line: text => {
      if (!quiet) print(text);
    },
    end: () => progress?.end(),
    failed,
    resumable,
  };
}
