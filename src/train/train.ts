/** Trains a run and closes it, however it ends; shared by new and resumed runs. */

import type { Experiment, LoadedExperiment } from '../config/index.js';
import { testSelections } from '../config/metrics.js';
import { EXECUTORS } from '../engine/backend.js';
import { peakMemory } from '../host/index.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { type Checkpoint, savedCheckpoints } from '../run/checkpoints.js';
import type { RunDirectory } from '../run/directory.js';
import type { RunStatus } from '../run/events.js';
import { judgeRun, metricValue, missedIn } from '../run/gates.js';
import { writtenDigests } from '../run/integrity.js';
import type { LoadedWeights } from '../run/manifest.js';
import { Run } from '../run/run.js';
import type { SavedCheckpoints, Summary } from '../run/summary.js';
import { trivialBaselines } from '../tasks/index.js';
import { EXIT, type ExitCode, UserError } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { SavedState } from './checkpoints.js';
import { evaluationRows } from './evaluator.js';
import { type LoopEnd, type TrainingState, trainingLoop } from './loop.js';
import { learningRates, planRun } from './plan.js';
import {
  divergedAdvice,
  divergedSentence,
  notFiniteMetrics,
  Recorder,
  type RunEvents,
  type RunObserver,
  type RunParts,
  type RunResult,
  settingSentence,
} from './recorder.js';
import type { RunOptions } from './resume.js';
import { createTrainer, type Gates, type Session } from './session.js';
import { addTimes, stepRatio } from './timing.js';
import type { Trainer } from './trainer.js';
import { restoreTraining } from './weights.js';

export interface RunContext {
  readonly loaded: LoadedExperiment;
  readonly session: Session;
  readonly gates: Gates;
  readonly directory: RunDirectory;
  /** From its manifest: the folder may have been renamed since the run started. */
  readonly runId: string;
  readonly state: TrainingState;
  readonly observer: RunObserver;
  readonly options: Pick<RunOptions, 'signal' | 'pauseAfterEpoch'>;
  readonly logEvery: number;
  /** What it starts from; absent if its weights are random, or if it resumes. */
  readonly weights?: LoadedWeights | undefined;
  /** When this process started working on the run, on the `performance` clock. */
  readonly began: number;
}

/** The checkpoint that a run resumes from. */
export interface ResumePoint {
  readonly checkpoint: Checkpoint;
  readonly saved: SavedState;
}

/** Needs the lock of the run. An unexpected error is rethrown after all has been written. */
export async function trainRun(
  context: RunContext,
  start: Float32Array | ResumePoint,
  open: () => RunEvents,
): Promise<RunResult> {
  const { loaded, session, directory, state, observer } = context;
  let events: RunEvents | undefined;
  let trainer: Trainer | undefined;
  try {
    events = open();
    trainer = await createTrainer(loaded, session);
    if (start instanceof Float32Array) trainer.parameters.set(start);
    else {
      trainer.restoreCarriedStates(restoreTraining(start.checkpoint.tensors, trainer.layout, trainer));
      state.restore(start.saved);
    }
    trainer.write();
    const end = await train({ ...context, trainer, events });
    return closeRun(context, end, events);
  } catch (error) {
    // the log ends, whether or not anyone observes
    const summary = closeFailed(context, error, events);
    observer.failed?.(summary);
    if (directory.isResumable) observer.resumable?.(directory.path);
    throw error;
  } finally {
    observer.end?.();
    events?.close();
    await trainer?.close();
  }
}

async function train(parts: RunParts): Promise<LoopEnd> {
  const { loaded, session, directory, trainer, state, events, observer, options } = parts;
  const { training: settings, checkpoint } = loaded.experiment;
  const { position } = state;
  const plan = planRun(loaded, session, position);
  const { order, totalSteps } = plan;
  const { droppedPerEpoch } = order;
  if (droppedPerEpoch > 0 && !position) {
    const message = `each epoch drops ${counted(droppedPerEpoch, 'sequence')}: last_batch is 'drop'`;
    events.warn('data/dropped', message);
  }
  observer.begin({
    directory: directory.path,
    totalSteps,
    numEpochs: settings.num_epochs,
  });
  const restoreFrom = checkpoint.final === 'best' ? directory.files.checkpoints : undefined;
  const { validation, test } = session.dataset;
  const largest = Math.max(validation?.count ?? 0, test.count, 1);
  const recorder = new Recorder(parts, plan);
  const end = await trainingLoop({
    ...{ trainer, order, totalSteps, settings, state, ...options },
    learningRate: learningRates(loaded.experiment, plan, state.history),
    evaluation: {
      ...session,
      batchSize: evaluationRows(session.run, settings, largest),
      ...(restoreFrom !== undefined && { restoreFrom }),
      confidence: loaded.experiment,
    },
    observer: recorder,
  });
  await recorder.end(end);
  return end;
}

interface Outcome {
  readonly status: RunStatus;
  readonly exitCode: ExitCode;
  /** What went wrong, in one line. */
  readonly message?: string;
}

type Closing = Pick<RunContext, 'loaded' | 'session' | 'directory' | 'runId' | 'state' | 'began'>;

function closeRun(run: RunContext, end: LoopEnd, events: RunEvents): RunResult {
  const saved = savedCheckpoints(run.directory.files.checkpoints);
  const measured = summaryOf(run, outcomeOf(run, end, saved), saved);
  const judged = end.status === 'completed' ? judgedSummary(run, measured) : measured;
  for (const gate of judged.gates) events.emit({ event: 'gate', ...gate });
  const summary = { ...judged, digests: digestsOf(run, events) };
  run.directory.write('summary', summary);
  logEnd(run, summary, events, true);
  const exitCode = summary.exit_code as ExitCode;
  if (summary.status !== 'diverged') return { exitCode, summary };
  // an overflow in the first update is caused by the learning rate, so the update counts here
  const isUpdate =
    end.status === 'diverged' && Number.isFinite(end.loss) && Number.isFinite(end.gradientNorm);
  const updates = summary.steps - summary.skipped_batches + Number(isUpdate);
  return { exitCode, summary, advice: divergedAdvice(updates, run.loaded) };
}

/** Writes what it can and never throws. `events` is undefined if no log was opened. */
export function closeFailed(run: Closing, error: unknown, events: RunEvents | undefined): Summary {
  const exitCode: ExitCode = error instanceof UserError ? error.exitCode : EXIT.unexpected;
  const [message] = (error instanceof Error ? error.message : String(error)).split('\n');
  const saved = attempt(() => savedCheckpoints(run.directory.files.checkpoints));
  const none = { best: null, checkpoints: { last: null, best: null } };
  const failed = summaryOf(run, { status: 'failed', exitCode, message }, saved ?? none);
  const summary = { ...failed, digests: attempt(() => digestsOf(run, events)) ?? failed.digests };
  const isWritten = attempt(() => {
    run.directory.write('summary', summary);
    return true;
  });
  attempt(() => events && logEnd(run, summary, events, isWritten));
  return summary;
}

/** Runs `action` and ignores its errors: they must not hide the error that ended the run. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

function logEnd({ directory }: Closing, summary: Summary, events: RunEvents, isWritten = false): void {
  const { status, exit_code, epochs, steps, message, duration_s } = summary;
  const { ms_per_step, calibration_ms, step_ratio } = summary;
  const sha256 = isWritten ? attempt(() => directory.digestOf('summary.json')) : undefined;
  events.emit({
    ...{ event: 'run.end', status, exit_code, epochs, steps, duration_s },
    ...{ ms_per_step, calibration_ms, step_ratio },
    ...(sha256 !== undefined && { summary_sha256: sha256 }),
    ...(message !== undefined && { message }),
  });
}

function outcomeOf({ state, loaded }: Closing, end: LoopEnd, { checkpoints }: SavedCheckpoints): Outcome {
  const { status } = end;
  if (status === 'completed') return { status, exitCode: EXIT.done };
  if (status === 'diverged')
    return { status, exitCode: EXIT.diverged, message: divergedSentence(end, loaded, checkpoints.last) };
  const step = state.position?.step ?? 0;
  const kept = step === 0 ? 'nothing was trained' : 'the checkpoint of that step is saved';
  return { status, exitCode: EXIT.interrupted, message: `interrupted after step ${step}; ${kept}` };
}

/** Judges the gates on the summary's values, so that a review reaches the same verdicts. */
function judgedSummary(
  { loaded, session, gates: asked, state, directory }: RunContext,
  summary: Summary,
): Summary {
  const { run, dataset } = session;
  const { validation, test } = dataset;
  const baselinesOn = trivialBaselines(run, dataset);
  const baselines = {
    ...(validation && { validation: baselinesOn(validation) }),
    test: baselinesOn(test),
  };
  // a damaged evaluation file is no reason to fail
  const { split, constant } = attempt(() => Run.open(directory.path).evaluation) ?? {};
  const isConstant = split === 'test' && constant === true;
  const measured: Summary = { ...summary, baselines, ...(isConstant && { constant_outputs: true }) };
  const gates = judgeRun(asked.written, measured, metric => state.best.get(metric));
  const odd = notFiniteMetrics('test', measured.metrics.test);
  // such a model is unusable, whatever the gates say
  if (odd !== '') {
    const message = `the model after the last step has ${odd}; ${settingSentence(loaded, 'optimizer', 'learning_rate')}`;
    return { ...measured, status: 'diverged', exit_code: EXIT.diverged, message, gates };
  }
  const missed = missedIn(gates).length;
  if (missed === 0) return { ...measured, gates };
  const message = `${missed} of ${counted(gates.length, 'gate')} not passed`;
  return { ...measured, exit_code: EXIT.gate, message, gates };
}

function digestsOf({ directory }: Closing, events: RunEvents | undefined): Summary['digests'] {
  return { log: events?.digest() ?? null, files: writtenDigests(directory) };
}

function summaryOf(run: Closing, { status, exitCode, message }: Outcome, saved: SavedCheckpoints): Summary {
  const { loaded, session, directory, runId, state, began } = run;
  const { experiment, hash } = loaded;
  const { backend } = session.choice;
  const times = addTimes(state.before, {
    duration_s: (performance.now() - began) / 1000,
    train_s: state.stepTimes.total,
    eval_s: state.evalSeconds,
    ms_per_step: state.stepTimes.medianMilliseconds,
    calibration_ms: state.calibration.medianMilliseconds,
    peak_rss_mb: peakMemory(),
  });
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
    backend,
    executor: EXECUTORS[backend],
    seed: experiment.seed,
    steps: state.position?.step ?? 0,
    epochs: state.position?.epochsDone ?? 0,
    skipped_batches: state.position?.skipped ?? 0,
    evaluated: state.evaluated,
    metrics: state.metrics,
    ...(state.restored && { restored: { step: state.restored.step, epoch: state.restored.epoch } }),
    ...(state.stoppedEarly && { stopped_early: state.stoppedEarly }),
    gates: [],
    digests: { log: null, files: {} },
    ...times,
    step_ratio: stepRatio(times),
    parameters: new ParameterLayout(session.spec).size,
    ...saved,
    ...(selected.length > 0 && { selected_on_test: selected }),
  };
}

/** The parts of the result that were selected by metrics of the test split. */
function selectedOnTest(
  experiment: Experiment,
  { position, stoppedEarly, restored, metrics }: TrainingState,
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
