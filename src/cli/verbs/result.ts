/** How a run went, in words. */
import { relative } from 'node:path';
import { baselinesSentence, leadingMetric } from '../../experiment/judging/baseline-words.js';
import { cautionsOf } from '../../experiment/judging/cautions.js';
import { gateSentence } from '../../experiment/judging/gate-words.js';
import { metricSentence } from '../../experiment/judging/metric-words.js';
import type { Summary } from '../../experiment/summary.js';
import type { RunResult } from '../../training/run/observer.js';
import { counted } from '../../util/words.js';
import { programName, quoted } from '../program-name.js';
import { printable } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
import { formatDuration } from '../terminal/progress.js';

/** Results on stdout: the closing sentence, the gates (when quiet only those not passed), the directory. */
export function printResult(summary: Summary, quiet: boolean, io: Io): void {
  const { status, metrics, baselines, steps, restored, duration_s, gates, directory, digests } = summary;
  if (status === 'completed') {
    const weights = restored ? ` with the weights of step ${restored.step},` : '';
    io.out(
      `${closingSentence(metrics.test)}${weights} after ${counted(steps, 'step')} in ${formatDuration(duration_s)}.\n`,
    );
    const trivial = baselines ? baselinesSentence(metrics.test, baselines.test) : '';
    if (trivial !== '' && !quiet) io.out(`${trivial}\n`);
    for (const gate of gates) if (gate.verdict !== 'passed' || !quiet) io.out(`${gateSentence(gate)}\n`);
  }
  io.out(`Run directory: ${printable(directory)}\n`);
  if (digests?.log && !quiet)
    io.out(`Log: ${counted(digests.log.records, 'record')}, SHA-256 ${digests.log.sha256}\n`);
}

/** What keeps a run from counting as done is said on stderr; a failed gate only where stdout does not say it. */
export function printProblems({ summary, advice }: RunResult, json: boolean, io: Io): void {
  const { status, message, gates, directory, skipped_batches, steps } = summary;
  for (const gate of json ? gates : []) if (gate.verdict !== 'passed') io.err(`${gateSentence(gate)}\n`);
  for (const caution of cautionsOf(summary)) io.err(`warning: ${caution}\n`);
  if (skipped_batches > 0)
    io.err(
      `warning: ${skipped_batches} of ${counted(steps, 'step')} left out their batch: its loss, gradient or update was not finite\n`,
    );
  if (status === 'completed' || message === undefined) return;
  io.err(`cellrun: ${message}${advice === undefined ? '' : `; ${advice}`}\n`);
  if (status === 'interrupted') io.err(resumeHint('resume', directory));
}

/** What a command line has to say once more. */
export interface RepeatedFlags {
  readonly flags: readonly string[];
  /** What is left out of them, a sentence; empty where nothing is. */
  readonly note: string;
}

/**
 * How to go on with the run or sweep in `directory`, by the program as it was called: a line, and another where flags are not repeated
 * whole.
 */
export function resumeHint(
  verb: 'resume' | 'sweep resume',
  directory: string,
  { flags, note }: RepeatedFlags = { flags: [], note: '' },
): string {
  const words = [relative('.', directory) || '.', ...flags].map(quoted);
  return `Go on with: ${programName(process.argv, process.env)} ${verb} ${words.join(' ')}\n${note === '' ? '' : `${note}\n`}`;
}

/** The first metric besides the loss, or else the loss. */
function closingSentence(metrics: Summary['metrics']['test']): string {
  const metric = leadingMetric(metrics) ?? 'loss';
  return metricSentence('Test', metric, metrics[metric]);
}
