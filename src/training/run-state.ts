/** Where a run stands and what it has measured so far. */
import { BestValues } from '../experiment/best-values.js';
import type { Metrics } from '../experiment/gates.js';
import { NO_TIMES, type RunTimes } from '../experiment/run-times.js';
import { Calibration } from './calibration.js';
import type { Position } from './loop.js';
import { StepTimes } from './step-times.js';

export class RunState {
  /** Of the last step that changed the parameters; undefined before the first. */
  position: Position | undefined;
  /** The latest values of each split. */
  metrics: Metrics = { train: {}, test: {} };
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

  /** `before` is what earlier processes took. */
  constructor(readonly before: RunTimes = NO_TIMES) {}
}
