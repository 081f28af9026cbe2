/** Where a run stands and what it has measured so far. */
import { BestValues } from '../../experiment/judging/best-values.js';
import type { Metrics } from '../../experiment/judging/gates.js';
import { NO_TIMES, type RunTimes } from '../../experiment/run-times.js';
import type { Summary } from '../../experiment/summary.js';
import { Calibration } from '../timing/calibration.js';
import { StepTimes } from '../timing/step-times.js';
import { MetricHistory } from './early-stopping.js';
import type { Position } from './loop.js';

export class RunState {
  /** Of the last step that changed the parameters; undefined before the first. */
  position: Position | undefined;
  /** The latest values of each split. */
  metrics: Metrics = { train: {}, test: {} };
  /** The metrics that decide what follows. */
  readonly history: MetricHistory;
  /** The checkpoint whose weights were taken at the end. */
  restored: Position | undefined;
  stoppedEarly: Summary['stopped_early'];
  /** Over all evaluations, those of earlier processes included. */
  readonly best = new BestValues();
  /** Whether the position has been evaluated. */
  evaluated = false;
  /** Of this process. */
  readonly stepTimes = new StepTimes();
  /** Of this process. */
  readonly calibration = new Calibration();
  /** Of this process. */
  evalSeconds = 0;

  /** `watched` are the metrics to keep a history of; `before` is what earlier processes took. */
  constructor(
    watched: Iterable<string> = [],
    readonly before: RunTimes = NO_TIMES,
  ) {
    this.history = new MetricHistory(watched);
  }
}
