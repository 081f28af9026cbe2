/** Creates the summary of a run, however it ended. Its gates are judged afterwards. */
import type { Experiment, LoadedExperiment } from '../../config/index.js';
import { testSelections } from '../../config/rules/splits.js';
import { EXECUTORS } from '../../engine/executable.js';
import { ParameterLayout } from '../../math/model/parameters.js';
import type { RunDirectory } from '../../run/directory.js';
import type { RunStatus } from '../../run/events.js';
import { metricValue } from '../../run/gates.js';
import { addTimes, type RunTimes, stepRatio } from '../../run/run-times.js';
import type { SavedCheckpoints, Summary } from '../../run/summary.js';
import type { ExitCode } from '../../util/errors.js';
import type { Session } from './session.js';
import type { RunState } from './state.js';

export interface Ending {
  readonly status: RunStatus;
  readonly exitCode: ExitCode;
  /** What went wrong, in one line. */
  readonly message?: string;
  /** Seconds since this process started working on the run. */
  readonly duration: number;
  readonly saved: SavedCheckpoints;
}

export function summarize(
  { experiment, hash }: LoadedExperiment,
  { choice, spec }: Session,
  { directory, runId }: { readonly directory: RunDirectory; readonly runId: string },
  state: RunState,
  { status, exitCode, message, duration, saved }: Ending,
): Summary {
  const times = addTimes(state.before, timesHere(state, duration));
  const selected = selectedOnTest(experiment, state, saved);
  return {
    version: 1,
    run_id: runId,
    name: experiment.name,
    ...(experiment.description !== undefined && { description: experiment.description }),
    status,
    exit_code: exitCode,
    ...(message !== undefined && { message }),
    directory: directory.path,
    config_hash: hash,
    backend: choice.backend,
    executor: EXECUTORS[choice.backend],
    seed: experiment.seed,
    steps: state.position?.step ?? 0,
    epochs: state.position?.epochsDone ?? 0,
    skipped_batches: state.position?.skipped ?? 0,
    evaluated: state.evaluated,
    metrics: state.metrics,
    ...(state.restored && {
      restored: { step: state.restored.step, epoch: state.restored.epochsDone },
    }),
    ...(state.stoppedEarly && { stopped_early: state.stoppedEarly }),
    gates: [],
    ...times,
    step_ratio: stepRatio(times),
    parameters: new ParameterLayout(spec).size,
    ...saved,
    ...(selected.length > 0 && { selected_on_test: selected }),
  };
}

/** The parts of the result that were selected by metrics of the test split. */
function selectedOnTest(
  experiment: Experiment,
  { position, stoppedEarly, restored, metrics }: RunState,
  { best }: SavedCheckpoints,
): string[] {
  return testSelections(experiment).flatMap(({ path: [section], what }) => {
    if (section === 'training' && stoppedEarly === undefined) return [];
    if (section !== 'checkpoint') return [what];
    if (best === null || best.step === position?.step) return [];
    // the last step has the same value, so selection did not matter
    if (restored === undefined && metricValue(metrics, best.metric) === best.value) return [];
    return [`${what} (step ${best.step}, ${best.metric} ${Number(best.value.toPrecision(4))})`];
  });
}

/** Times of this process. */
function timesHere({ stepTimes, evalSeconds, calibration }: RunState, duration: number): RunTimes {
  return {
    duration_s: duration,
    train_s: stepTimes.total,
    eval_s: evalSeconds,
    ms_per_step: stepTimes.medianMilliseconds,
    calibration_ms: calibration.medianMilliseconds,
    peak_rss_mb: process.resourceUsage().maxRSS / 1024,
  };
}
