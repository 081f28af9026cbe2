/** Where a run stands and what it has measured so far. */
import type { Metrics } from '../experiment/gates.js';
import type { Position } from './loop.js';
import { StepTimes } from './step-times.js';

export class RunState {
  /** Of the last step that changed the parameters; undefined before the first. */
  position: Position | undefined;
  /** The latest values of each split. */
  metrics: Metrics = { train: {}, test: {} };
  /** Whether the position has been evaluated. */
  evaluated = false;
  readonly stepTimes = new StepTimes();
  evalSeconds = 0;
}
