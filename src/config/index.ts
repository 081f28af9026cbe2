/** Configs: loading them, their types, and the checks against data. */

export type {
  DatasetConfig,
  EarlyStopping,
  Experiment,
  ModelConfig,
  OptimizerConfig,
  ScheduleConfig,
} from './experiment.js';
export { fileDigest } from './hash.js';
export { effectsOf } from './key-facts.js';
export { type LoadedExperiment, loadExperiment, type OpenOptions } from './load.js';
export { locateInConfig } from './merge/relocate.js';
export { checkAgainstData, type DataShape, type ModelSizes } from './rules/data-check.js';
export { keysOfFiles } from './rules/file-checks.js';
export { ignoredLabel, measuredMetrics } from './rules/losses.js';
