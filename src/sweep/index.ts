/**
 * Sweeps, for what reads them. Imports go from `config/` and `launchers/` to the files here, to
 * `schedule/`, to `search/`.
 */

export type { SweepSummary } from './results.js';
export {
  beatsBaseline,
  importanceOf,
  isSweepWorkedOn,
  objectiveBaseline,
  readSweepResults,
  SWEEP_STATES,
  type SweepResults,
  summaryOf,
  trialTable,
  writeResults,
} from './results.js';
export { epochValues } from './segment.js';
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
