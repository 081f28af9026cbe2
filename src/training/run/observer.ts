/** What a run tells while it goes on, and what it gives at its end. */

import type { SplitMetrics, Summary } from '../../experiment/summary.js';
import type { ExitCode } from '../../util/errors.js';

/** How far an evaluation is, in sequences. */
export interface EvaluationProgress {
  readonly done: number;
  readonly total: number;
}

/** Called while a run goes on, in the order of what happens; what they throw ends the run. */
export interface RunObserver {
  /**
   * Training begins: `totalSteps` optimizer steps over `numEpochs` epochs. From now on the run in
   * `directory` can be gone on with.
   */
  begin(plan: { directory: string; totalSteps: number; numEpochs: number }): void;
  /** A step was made; without a loss where its batch was skipped. */
  step(step: { epoch: number; step: number; samples: number; loss?: number }): void;
  /** Many times during an evaluation. */
  evaluating(progress: EvaluationProgress): void;
  /** An evaluation of a split has ended, as `text` tells the reader; `left` more are to come. */
  evaluated(evaluation: {
    split: 'validation' | 'test';
    step: number;
    epoch: number;
    /** Values by metric, the loss among them. */
    metrics: SplitMetrics;
    left: number;
    text: string;
  }): void;
  /** A checkpoint was written. */
  saved(): void;
  /** Something is not as it should be, and the run goes on. */
  warning(text: string): void;
  /** A sentence for the reader. */
  line(text: string): void;
  /** Nothing more is told, but for what comes of an error. */
  end(): void;
  /** An error has ended the run: what summary.json says of it, as far as it could be written. */
  failed(summary: Summary): void;
  /**
   * An error has ended the run in `directory`; once its cause is gone, the run can go on from
   * there.
   */
  resumable(directory: string): void;
}

export interface RunResult {
  readonly exitCode: ExitCode;
  /** As summary.json holds it, but for numbers that are not finite, which are spelled out there. */
  readonly summary: Summary;
  /** What might help a run that diverged. */
  readonly advice?: string;
}
