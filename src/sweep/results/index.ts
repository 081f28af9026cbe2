/**
 * Reading sweeps back: what became of their trials, as tables, as a summary, as the best config.
 */
export { beatsBaseline, objectiveBaseline } from './baseline.js';
export { sweepCautions } from './cautions.js';
export { epochValues } from './history.js';
export { importanceOf } from './importances.js';
export { isSweepWorkedOn, readSweepResults, type SweepResults } from './read.js';
export { type Cell, formatTable, type Table, type TableFormat } from './table.js';
export { trialTable } from './trial-table.js';
export { bestRow, betterEarlier, ranked, TrialCollector, type TrialRow } from './trials.js';
export { troubleOf } from './trouble.js';
export { type SweepSummary, summaryOf, trialConfig, writeResults } from './write.js';
