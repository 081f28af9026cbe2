/** Prints the result of a run, and the command that resumes it. */
import { relative } from 'node:path';
import { gateSentence } from '../../run/gates.js';
import type { Summary } from '../../run/summary.js';
import { baselinesSentence, cautionsOf, mainMetric, metricSentence } from '../../run/words.js';
import type { RunResult } from '../../train/recorder.js';
import { formatDuration } from '../../util/numbers.js';
import { counted, printable } from '../../util/words.js';
import type { Io } from '../terminal/io.js';
import { programName, quoted } from './command-line.js';

/**
 * Prints the test metric, the gates (if quiet, only those not passed) and the run's directory to
 * stdout.
 */
export function printResult(summary: Summary, quiet: boolean, io: Io): void {
  const { status, metrics, steps, restored, duration_s, gates, directory, digests } = summary;
  if (status === 'completed') {
    const weights = restored ? ` with the weights of step ${restored.step},` : '';
    io.out(
      `${closingSentence(metrics.test)}${weights} after ${counted(steps, 'step')} in ${formatDuration(duration_s)}.\n`,
    );
    const trivial = baselinesSentence(summary);
    if (trivial !== '' && !quiet) io.out(`${trivial}\n`);
    for (const gate of gates) if (gate.verdict !== 'passed' || !quiet) io.out(`${gateSentence(gate)}\n`);
  }
  io.out(`Run directory: ${printable(directory)}\n`);
  if (digests?.log && !quiet)
    io.out(`Log: ${counted(digests.log.records, 'record')}, SHA-256 ${digests.log.sha256}\n`);
}

/** Prints the problems of a run to stderr; gates that did not pass only if stdout is JSON. */
export function printProblems({ summary, advice }: RunResult, json: boolean, io: Io): void {
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

export interface RepeatedFlags {
  readonly flags: readonly string[];
  readonly note: string;
}

/** The command that resumes the run or sweep in `directory`, in complete lines. */
export function resumeHint(
  verb: 'resume' | 'sweep resume',
  directory: string,
  { flags, note }: RepeatedFlags = { flags: [], note: '' },
): string {
  const words = [relative('.', directory) || '.', ...flags].map(quoted);
  return `Resume with: ${programName(process.argv, process.env)} ${verb} ${words.join(' ')}\n${note === '' ? '' : `${note}\n`}`;
}

/** A sentence with the first metric besides the loss, or with the loss if there is no other. */
function closingSentence(metrics: Summary['metrics']['test']): string {
  const metric = mainMetric(metrics);
  return metricSentence('Test', metric, metrics[metric]);
}
