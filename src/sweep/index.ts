/**
 * Sweeps, for what reads them. Imports go from `config/` and `launchers/` to the files here, to
 * `schedule/`, to `search/`.
 */

export {
  beatsBaseline,
  importanceOf,
  isSweepWorkedOn,
  objectiveBaseline,
  readSweepResults,
  type SweepResults,
  summaryOf,
  trialTable,
  writeResults,
} from './results.js';
export { epochValues } from './segment.js';
export { SWEEP_STATES, type SweepSummary } from './summary.js';
export {
  bestRow,
  betterEarlier,
  changedFiles,
  missingRuns,
  ranked,
  recordsOf,
  sweepCautions,
  type TrialRow,
  troubleOf,
  whyEnded,
} from './trials.js';
