/** Reads the results of sweeps: trials, tables, summaries and the best config. */
export { beatsBaseline, objectiveBaseline } from './baseline.js';
export { sweepCautions } from './cautions.js';
export { epochValues } from './history.js';
export { importanceOf } from './importances.js';
export { contradictionsOf, missingRuns } from './proof.js';
export { isSweepWorkedOn, readSweepResults, type SweepResults } from './read.js';
export { type Cell, formatTable, type Table, type TableFormat } from './table.js';
export { trialTable } from './trial-table.js';
export { bestRow, betterEarlier, ranked, TrialCollector, type TrialRow } from './trials.js';
export { troubleOf } from './trouble.js';
export { type SweepSummary, summaryOf, trialConfig, writeResults } from './write.js';
