/** The position of a run and its measurements so far. */

import type { Metrics } from '../../run/gates.js';
import { BestValues } from '../../run/gates.js';
import { NO_TIMES, type RunTimes } from '../../run/run-times.js';
import type { Summary } from '../../run/summary.js';
import { Calibration } from '../timing/calibration.js';
import { StepTimes } from '../timing/step-times.js';
import { MetricHistory } from './early-stopping.js';
import type { Position } from './loop.js';

export class RunState {
  /** Position after the last completed step; undefined before the first. */
  position: Position | undefined;
  /** The latest values of each split. */
  metrics: Metrics = { train: {}, test: {} };
  /** History of the metrics that early stopping and the plateau schedule depend on. */
  readonly history: MetricHistory;
  /** Position of the checkpoint whose weights were restored at the end. */
  restored: Position | undefined;
  stoppedEarly: Summary['stopped_early'];
  /** Best values over all evaluations, including those of earlier processes. */
  readonly best = new BestValues();
  /** True if the position has been evaluated. */
  evaluated = false;
  /** Of this process. */
  readonly stepTimes = new StepTimes();
  /** Of this process. */
  readonly calibration = new Calibration();
  /** Of this process. */
  evalSeconds = 0;

  /**
   * `watched` are the metrics to keep a history of; `before` are the times of earlier processes.
   */
  constructor(
    watched: Iterable<string> = [],
    readonly before: RunTimes = NO_TIMES,
  ) {
    this.history = new MetricHistory(watched);
  }
}
