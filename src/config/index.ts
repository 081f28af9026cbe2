/** Configs: loading them, their types, and the checks against data. */

export { checkAgainstData, type ModelSizes } from './data-check.js';
export type {
  DatasetConfig,
  EarlyStopping,
  Experiment,
  ModelConfig,
  OptimizerConfig,
  ScheduleConfig,
} from './experiment.js';
export { refuseRepeatedFiles } from './file-checks.js';
export { fileDigest } from './hash.js';
export { changesResults, effectsOf } from './key-facts.js';
export { type LoadedExperiment, loadExperiment, type OpenOptions } from './load.js';
export { measuredMetrics } from './metrics.js';
export { locateInConfig } from './relocate.js';
