/** How a run ends: gates judged, summary written, the closing event. */
import type { LoadedExperiment } from '../config/index.js';
import { EXIT, type ExitCode, UserError } from '../errors.js';
import { judgeGates } from '../experiment/gates.js';
import type { RunDirectory } from '../experiment/run-directory.js';
import type { LoopEnd } from './loop.js';
import type { RunResult } from './observer.js';
import type { RunEvents } from './run-events.js';
import type { RunState } from './run-state.js';
import { type Ending, type SavedCheckpoints, savedCheckpoints, summarize } from './run-summary.js';
import { divergedSentence, gatesSentence, interruptedSentence } from './sentences.js';
import type { Session } from './session.js';

type Outcome = Omit<Ending, 'duration' | 'saved'>;

export class RunClosing {
  /** `began` is when this process began to work on the run, on the clock of `performance`. */
  constructor(
    private readonly loaded: LoadedExperiment,
    private readonly session: Session,
    private readonly directory: RunDirectory,
    private readonly state: RunState,
    private readonly began: number,
  ) {}

  /** Throws exit 1 where summary or log cannot be written. */
  ended(end: LoopEnd, events: RunEvents): RunResult {
    const outcome = this.outcome(end);
    for (const gate of outcome.gates) events.gate(gate);
    const summary = this.summary(outcome, savedCheckpoints(this.directory));
    this.directory.writeSummary(summary);
    events.ended(summary);
    return { exitCode: outcome.exitCode, summary };
  }

  /** Leaves what can be left of a run that `error` has ended; never throws. `events` is absent where no log was opened. */
  failed(error: unknown, events: RunEvents | undefined): void {
    const exitCode: ExitCode = error instanceof UserError ? error.exitCode : EXIT.unexpected;
    const [message] = (error instanceof Error ? error.message : String(error)).split('\n');
    const saved = attempt(() => savedCheckpoints(this.directory));
    const summary = this.summary(
      { status: 'failed', exitCode, message, gates: [] },
      saved ?? { best: null, checkpoints: { last: null, best: null } },
    );
    attempt(() => this.directory.writeSummary(summary));
    attempt(() => events?.ended(summary));
  }

  private outcome(end: LoopEnd): Outcome {
    switch (end.status) {
      case 'diverged':
        return {
          status: 'diverged',
          exitCode: EXIT.diverged,
          message: divergedSentence(end, this.loaded, savedCheckpoints(this.directory).checkpoints.last),
          gates: [],
        };
      case 'interrupted':
        return {
          status: 'interrupted',
          exitCode: EXIT.interrupted,
          message: interruptedSentence(this.state.position?.step ?? 0),
          gates: [],
        };
      case 'completed':
        return this.judged();
    }
  }

  private judged(): Outcome {
    const gates = judgeGates(this.loaded.experiment.gates, this.state.metrics);
    const missed = gates.filter(gate => gate.verdict !== 'passed').length;
    if (missed === 0) return { status: 'completed', exitCode: EXIT.done, gates };
    const message = gatesSentence(missed, gates.length);
    return { status: 'completed', exitCode: EXIT.gate, message, gates };
  }

  private summary(outcome: Outcome, saved: SavedCheckpoints) {
    const duration = (performance.now() - this.began) / 1000;
    return summarize(this.loaded, this.session, this.directory, this.state, { ...outcome, duration, saved });
  }
}

/** What cannot be done any more must not hide the error that ended the run, which is the one that is reported. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
