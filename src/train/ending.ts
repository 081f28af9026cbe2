/** Ends a run: judges the gates, writes the summary and the closing event. */
import type { Experiment } from '../config/index.js';
import { testSelections } from '../config/splits.js';
import { EXECUTORS } from '../engine/executable.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { savedCheckpoints } from '../run/checkpoints.js';
import type { RunStatus } from '../run/events.js';
import { judgeRun, metricValue, missedIn } from '../run/gates.js';
import { writtenDigests } from '../run/integrity.js';
import { addTimes, type RunTimes, stepRatio } from '../run/run-times.js';
import type { GateResult, SavedCheckpoints, Summary, SummaryDigests } from '../run/summary.js';
import { EXIT, type ExitCode, UserError } from '../util/errors.js';
import { trivialBaselines } from './baselines.js';
import type { RunEvents } from './events.js';
import { writtenGates } from './gates.js';
import type { LoopEnd, TrainingState } from './loop.js';
import {
  divergedAdvice,
  divergedSentence,
  gatesSentence,
  interruptedSentence,
  notFiniteMetrics,
  uselessSentence,
} from './messages.js';
import type { RunResult } from './recorder.js';
import type { RunContext } from './train.js';

interface Outcome {
  readonly status: RunStatus;
  readonly exitCode: ExitCode;
  /** What went wrong, in one line. */
  readonly message?: string;
}

export class RunClosing {
  constructor(
    private readonly run: Pick<RunContext, 'loaded' | 'session' | 'directory' | 'runId' | 'state' | 'began'>,
  ) {}

  /** @throws UserError (exit 1) if the summary or the log cannot be written */
  ended(end: LoopEnd, events: RunEvents): RunResult {
    const outcome = this.outcome(end);
    const measured = this.summary(outcome, savedCheckpoints(this.run.directory));
    const { exitCode, summary: judged } =
      end.status === 'completed'
        ? this.judged({ ...measured, baselines: this.baselines(), ...this.constancy() })
        : { ...outcome, summary: measured };
    for (const gate of judged.gates) events.emit({ event: 'gate', ...gate });
    const summary = { ...judged, digests: this.digests(events) };
    this.run.directory.writeSummary(summary);
    events.ended(
      summary,
      attempt(() => this.run.directory.digestOf('summary.json')),
    );
    if (summary.status !== 'diverged') return { exitCode, summary };
    // an overflow in the first update is caused by the learning rate, so the update counts here
    const isUpdate =
      end.status === 'diverged' && Number.isFinite(end.loss) && Number.isFinite(end.gradientNorm);
    const updates = summary.steps - summary.skipped_batches + Number(isUpdate);
    return { exitCode, summary, advice: divergedAdvice(updates, this.run.loaded) };
  }

  /**
   * Writes what it can of the summary and the log of a run that `error` has ended, and returns the
   * summary. Never throws. `events` is undefined if no log was opened.
   */
  failed(error: unknown, events: RunEvents | undefined): Summary {
    const exitCode: ExitCode = error instanceof UserError ? error.exitCode : EXIT.unexpected;
    const [message] = (error instanceof Error ? error.message : String(error)).split('\n');
    const saved = attempt(() => savedCheckpoints(this.run.directory));
    const told = this.summary(
      { status: 'failed', exitCode, message },
      saved ?? { best: null, checkpoints: { last: null, best: null } },
    );
    const summary = { ...told, digests: attempt(() => this.digests(events)) ?? told.digests };
    const sha256 = attempt(() => {
      this.run.directory.writeSummary(summary);
      return this.run.directory.digestOf('summary.json');
    });
    attempt(() => events?.ended(summary, sha256));
    return summary;
  }

  private outcome(end: LoopEnd): Outcome {
    switch (end.status) {
      case 'diverged':
        return {
          status: 'diverged',
          exitCode: EXIT.diverged,
          message: divergedSentence(
            end,
            this.run.loaded,
            savedCheckpoints(this.run.directory).checkpoints.last,
          ),
        };
      case 'interrupted':
        return {
          status: 'interrupted',
          exitCode: EXIT.interrupted,
          message: interruptedSentence(this.run.state.position?.step ?? 0),
        };
      case 'completed':
        return { status: 'completed', exitCode: EXIT.done };
    }
  }

  /** Judges the gates on the summary's values, so that a review reaches the same verdicts. */
  private judged(measured: Summary): RunResult {
    const gates: readonly GateResult[] = judgeRun(
      writtenGates(this.run.loaded, this.run.session.references),
      measured,
      metric => this.run.state.best.get(metric),
    );
    const odd = notFiniteMetrics('test', measured.metrics.test);
    // such a model is unusable, whatever the gates say
    if (odd !== '') {
      const message = uselessSentence(odd, this.run.loaded);
      const { diverged } = EXIT;
      return {
        exitCode: diverged,
        summary: { ...measured, status: 'diverged', exit_code: diverged, message, gates },
      };
    }
    const missed = missedIn(gates).length;
    if (missed === 0) return { exitCode: EXIT.done, summary: { ...measured, gates } };
    const message = gatesSentence(missed, gates.length);
    return { exitCode: EXIT.gate, summary: { ...measured, exit_code: EXIT.gate, message, gates } };
  }

  /** A damaged evaluation file is ignored: it is no reason to fail. */
  private constancy(): Pick<Summary, 'constant_outputs'> {
    const { split, constant } = attempt(() => this.run.directory.readEvaluation()) ?? {};
    return split === 'test' && constant === true ? { constant_outputs: true } : {};
  }

  private baselines(): NonNullable<Summary['baselines']> {
    const { run, dataset } = this.run.session;
    const { validation, test } = dataset;
    return {
      ...(validation && { validation: trivialBaselines(run, dataset, validation) }),
      test: trivialBaselines(run, dataset, test),
    };
  }

  private digests(events: RunEvents | undefined): SummaryDigests {
    return { log: events?.digest() ?? null, files: writtenDigests(this.run.directory) };
  }

  private summary({ status, exitCode, message }: Outcome, saved: SavedCheckpoints): Summary {
    const { loaded, session, directory, runId, state } = this.run;
    const { experiment, hash } = loaded;
    const { backend } = session.choice;
    const times = addTimes(state.before, this.timesHere());
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
      ...(state.restored && {
        restored: { step: state.restored.step, epoch: state.restored.epoch },
      }),
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

  /** Times of this process. */
  private timesHere(): RunTimes {
    const { stepTimes, evalSeconds, calibration } = this.run.state;
    return {
      duration_s: (performance.now() - this.run.began) / 1000,
      train_s: stepTimes.total,
      eval_s: evalSeconds,
      ms_per_step: stepTimes.medianMilliseconds,
      calibration_ms: calibration.medianMilliseconds,
      peak_rss_mb: process.resourceUsage().maxRSS / 1024,
    };
  }
}

/** Runs `action` and ignores its errors: they must not hide the error that ended the run. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
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
