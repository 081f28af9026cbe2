/** `run CONFIG`: trains a model. */

import { gateSentence } from '../../run/gates.js';
import { spellNonFinite } from '../../run/json.js';
import { checkNotesChange } from '../../run/notes.js';
import type { Summary } from '../../run/summary.js';
import {
  baselinesSentence,
  cautionsOf,
  intervalsSentence,
  mainMetric,
  metricSentence,
  restoredWords,
} from '../../run/words.js';
import type { RunObserver, RunResult } from '../../train/recorder.js';
import type { ExitCode } from '../../util/errors.js';
import { formatDuration } from '../../util/numbers.js';
import { counted, printable } from '../../util/words.js';
import { resumeHint } from '../command/command-line.js';
import { onStopSignal } from '../command/signals.js';
import {
  compute,
  defineVerb,
  experiments,
  folder,
  integer,
  json,
  notes,
  pauseAfterEpoch,
  portable,
  progress,
  refuseGiven,
  set,
  text,
  type Values,
} from '../command/verb.js';
import { HintedError } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
import { createProgress } from '../terminal/progress.js';
import { besideDashboard } from './serve.js';
import { addNotes } from './tag.js';

export const verb = defineVerb({
  arguments: '<config>',
  options: {
    set,
    ...compute,
    portable,
    output: experiments,
    directory: folder('<dir>', 'the run directory; resumes the run if the directory already contains it'),
    pauseAfterEpoch,
    repeat: integer('<n>', 'train with n seeds, and report mean, deviation and interval of every metric', {
      min: 1,
      max: 1000,
    }),
    folds: integer('<n>', 'train on n folds, and report mean, deviation and interval of every metric', {
      min: 2,
      max: 1000,
    }),
    parallel: text('<n>', 'number of seeds or folds at the same time (default: 1)'),
    ...notes,
    json: json('the summary'),
    ...progress,
  },
  async action([config], options, shell) {
    const { io, commandLine } = shell;
    const change = { add: options.tag, remove: [], note: options.note };
    checkNotesChange(change);
    const { loadExperiment } = await import('../../config/index.js');
    const { runExperiment } = await import('../../train/resume.js');
    const { repeat: times, folds: parts } = options;
    const flags = [
      times === undefined ? [] : `repeat=${times}`,
      parts === undefined ? [] : `folds.count=${parts}`,
    ];
    const set = [...options.set, ...flags.flat()];
    const loaded = loadExperiment(config, { set });
    const { repeat = 1, folds } = loaded.experiment;
    if (repeat > 1 || folds !== undefined) {
      const key = folds === undefined ? 'repeat' : 'folds';
      const { directory, pauseAfterEpoch, portable } = options;
      const origin = options[key] === undefined ? loaded.origin(key) : `--${key}`;
      refuseGiven(
        { directory, pauseAfterEpoch, portable },
        {
          code: 'cli/repeat',
          message: `cannot be used with \`${key}\` (${origin}), which trains several runs`,
          expected: key === 'repeat' ? '--repeat 1, or --output DIR' : '--set folds=null, or --output DIR',
        },
      );
      const { repeatRun } = await import('./sweep.js');
      return repeatRun(config, loaded, { ...options, set }, shell);
    }
    const single = { code: 'cli/repeat', message: 'the config has one run', expected: '`repeat` or `folds`' };
    refuseGiven({ parallel: options.parallel }, single);
    return runToEnd(options, options.directory ?? options.output, io, (signal, observer) =>
      runExperiment(
        loaded,
        { ...options, commandLine, started: new Date(), signal },
        {
          ...observer,
          begin: plan => {
            addNotes(plan.directory, change);
            observer.begin(plan);
          },
        },
      ),
    );
  },
});

/** @param watched the directory that a dashboard shows */
export async function runToEnd(
  options: Values<typeof progress> & { readonly json: boolean },
  watched: string,
  io: Io,
  train: (signal: AbortSignal, observer: RunObserver) => Promise<RunResult>,
): Promise<ExitCode> {
  const { quiet, json } = options;
  let begun: string | undefined;
  const stop = onStopSignal(io, () => (begun === undefined ? '' : resumeHint('resume', begun)));
  let resumable: string | undefined;
  let failed: Summary | undefined;
  const display = createProgress(io, quiet);
  const observer: RunObserver = {
    ...display,
    begin: plan => {
      begun = plan.directory;
      display.begin(plan);
    },
    warning: text => display.line(`warning: ${text}`),
    line: text => {
      if (!quiet) display.line(text);
    },
    failed: summary => {
      failed = summary;
    },
    resumable: directory => {
      resumable = directory;
    },
  };
  try {
    return await besideDashboard(options, watched, io, stop, async () => {
      const result = await train(stop.signal, observer);
      if (json) printJson(result.summary, io);
      else printResult(result.summary, quiet, io);
      printProblems(result, json, io);
      return result.exitCode;
    });
  } catch (error) {
    if (json && failed !== undefined) printJson(failed, io);
    throw resumable === undefined ? error : new HintedError(error, resumeHint('resume', resumable));
  }
}

function printJson(summary: Summary, io: Io): void {
  io.data(`${JSON.stringify(spellNonFinite(summary))}\n`);
}

/**
 * Prints the test metric, the gates (if quiet, only those not passed) and the run's directory to
 * stdout.
 */
function printResult(summary: Summary, quiet: boolean, io: Io): void {
  const { status, metrics, steps, duration_s, gates, directory, digests } = summary;
  if (status === 'completed') {
    const restored = restoredWords(summary);
    const weights = restored && ` with the weights of ${restored},`;
    const metric = mainMetric(metrics.test);
    const value = metrics.test[metric];
    const tested = value === undefined ? 'Trained on all data' : metricSentence('Test', metric, value);
    const sentence = `${tested}${weights}`;
    io.out(`${sentence} after ${counted(steps, 'step')} in ${formatDuration(duration_s)}.\n`);
    const more = quiet ? [] : [intervalsSentence(summary), baselinesSentence(summary)];
    for (const addition of more) if (addition !== '') io.out(`${addition}\n`);
    for (const gate of gates) if (gate.verdict !== 'passed' || !quiet) io.out(`${gateSentence(gate)}\n`);
  }
  io.out(`Run directory: ${printable(directory)}\n`);
  if (digests?.log && !quiet)
    io.out(`Log: ${counted(digests.log.records, 'record')}, SHA-256 ${digests.log.sha256}\n`);
}

/** Prints the problems of a run to stderr; gates that did not pass only if stdout is JSON. */
function printProblems({ summary, advice }: RunResult, json: boolean, io: Io): void {
  const { status, message, gates, directory, skipped_batches, steps } = summary;
  for (const gate of json ? gates : []) if (gate.verdict !== 'passed') io.err(`${gateSentence(gate)}\n`);
  for (const caution of cautionsOf(summary)) io.err(`warning: ${caution}\n`);
  if (skipped_batches > 0)
    io.err(
      `warning: ${skipped_batches} of ${counted(steps, 'step')} skipped their batch: its loss, gradient or update was not finite\n`,
    );
  if (status === 'completed' || message === undefined) return;
  io.err(`cellrun: ${printable(message)}${advice === undefined ? '' : `; ${advice}`}\n`);
  if (status === 'interrupted') io.err(resumeHint('resume', directory));
}
