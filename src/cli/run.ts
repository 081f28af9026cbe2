/** `run CONFIG`: trains, and tells how it went. */
import { loadExperiment } from '../config/index.js';
import type { ExitCode } from '../errors.js';
import { spellNonFinite } from '../experiment/json.js';
import { type RunObserver, runExperiment } from '../training/run.js';
import type { Io } from './io.js';
import type { RunOptions } from './options.js';
import { createProgress, type Progress } from './progress.js';
import { tellResult, tellTrouble } from './result.js';
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
    if (options.json) io.out(`${JSON.stringify(spellNonFinite(summary))}\n`);
    else tellResult(summary, options.quiet, io);
    tellTrouble(summary, options.json, io);
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
    evaluating: step => progress?.evaluating(step),
    evaluated: evaluations => progress?.evaluated(evaluations),
    saved: () => progress?.saved(),
    line: text => (progress ? progress.line(text) : quiet || io.err(`${text}\n`)),
    end: () => progress?.end(),
  };
}
