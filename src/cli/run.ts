/** `run CONFIG`: trains, and tells how it went. */
import { loadExperiment } from '../config/index.js';
import type { ExitCode } from '../errors.js';
import { type RunObserver, runExperiment } from '../training/run.js';
import type { Io } from './io.js';
import type { RunOptions } from './options.js';
import { createProgress, formatDuration, type Progress } from './progress.js';
import { onStopSignal } from './signals.js';

export async function run(config: string, options: RunOptions, io: Io): Promise<ExitCode> {
  const loaded = loadExperiment(config, { set: options.set });
  const stop = onStopSignal(io);
  try {
    const { exitCode, summary } = await runExperiment(
      loaded,
      { ...options, started: new Date(), signal: stop.signal },
      observer(io, options.quiet),
    );
    if (options.json) io.out(`${JSON.stringify(summary)}\n`);
    else tellResult(summary as unknown as Told, options.quiet, io);
    tellTrouble(summary as unknown as Told, options.json, io);
    return exitCode;
  } finally {
    stop.release();
  }
}

function observer(io: Io, quiet: boolean): RunObserver {
  let progress: Progress | undefined;
  return {
    begin: plan => {
      progress = createProgress(io, { ...plan, quiet });
    },
    step: step => progress?.step(step),
    line: text => (progress ? progress.line(text) : quiet || io.err(`${text}\n`)),
    end: () => progress?.end(),
  };
}

interface Told {
  readonly status: string;
  readonly message?: string;
  readonly directory: string;
  readonly metrics: {
    readonly test: {
      readonly accuracy?: number;
      readonly mean_absolute_error?: number;
      readonly loss?: number;
    };
  };
  readonly steps: number;
  readonly duration_s: number;
  readonly gates: readonly {
    metric: string;
    value: number | null;
    min?: number;
    max?: number;
    verdict: string;
  }[];
}

function tellResult(
  { status, metrics, steps, duration_s, gates, directory }: Told,
  quiet: boolean,
  io: Io,
): void {
  if (status === 'completed') {
    io.out(`${closingSentence(metrics.test)} after ${steps} steps in ${formatDuration(duration_s)}.\n`);
    for (const gate of gates) if (gate.verdict !== 'passed' || !quiet) io.out(`${gateSentence(gate)}\n`);
  }
  io.out(`Run directory: ${directory}\n`);
}

/** What keeps a run from counting as done is said on stderr; a failed gate only where stdout does not say it. */
function tellTrouble({ status, message, gates }: Told, json: boolean, io: Io): void {
  for (const gate of json ? gates : []) if (gate.verdict !== 'passed') io.err(`${gateSentence(gate)}\n`);
  if (status === 'completed' || message === undefined) return;
  const hint =
    status === 'diverged' ? '; try a smaller optimizer.learning_rate, or training.gradient_clip_norm' : '';
  io.err(`cellrun: ${message}${hint}\n`);
}

function gateSentence({ metric, verdict, value, min, max }: Told['gates'][number]): string {
  const bounds = [min === undefined ? '' : `at least ${min}`, max === undefined ? '' : `at most ${max}`];
  return `Gate ${metric} ${verdict}: ${value ?? 'not measured'}, ${bounds.filter(Boolean).join(' and ')} wanted.`;
}

function closingSentence({ accuracy, mean_absolute_error, loss }: Told['metrics']['test']): string {
  if (accuracy !== undefined) return `Test accuracy ${(100 * accuracy).toFixed(2)} %`;
  if (mean_absolute_error !== undefined)
    return `Test mean absolute error ${mean_absolute_error.toPrecision(4)}`;
  return `Test loss ${loss?.toPrecision(4)}`;
}
