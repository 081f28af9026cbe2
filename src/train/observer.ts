/** Interface of run observers, and the result of a run. */
import type { SplitMetrics, Summary } from '../run/summary.js';
import type { ExitCode } from '../util/errors.js';

/** Callbacks during a run, in the order of events. An exception in one ends the run. */
export interface RunObserver {
  /**
   * Training starts: `totalSteps` optimizer steps over `numEpochs` epochs. From now on, the run in
   * `directory` can be resumed.
   */
  begin(plan: { directory: string; totalSteps: number; numEpochs: number }): void;
  /** A step was completed; `loss` is absent if its batch was skipped. */
  step(step: { epoch: number; step: number; samples: number; loss?: number }): void;
  /** Called after each batch of an evaluation, with the sequences evaluated so far. */
  evaluating(progress: { done: number; total: number }): void;
  /** An evaluation of a split has ended. `text` describes it for the user; `left` more follow. */
  evaluated(evaluation: {
    split: 'validation' | 'test';
    step: number;
    epoch: number;
    /** Values by metric, including the loss. */
    metrics: SplitMetrics;
    left: number;
    text: string;
  }): void;
  /** A checkpoint was written. */
  saved(): void;
  /** A problem that does not stop the run. */
  warning(text: string): void;
  /** A sentence for the user. */
  line(text: string): void;
  /** The last call of a run, also after an error. */
  end(): void;
  /**
   * An error has ended the run. `summary` is the content of summary.json, which may not have been
   * written.
   */
  failed(summary: Summary): void;
  /** An error has ended the run in `directory`, which can be resumed once the cause is fixed. */
  resumable(directory: string): void;
}

export interface RunResult {
  readonly exitCode: ExitCode;
  /** The content of summary.json, except that it spells out numbers that are not finite. */
  readonly summary: Summary;
  /** Advice for a run that diverged. */
  readonly advice?: string;
}
