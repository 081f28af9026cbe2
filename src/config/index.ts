/** Configs: loading them, their types, and the checks against data. */

export { locateInConfig, refuseRepeatedFiles } from './file-checks.js';
export { changesResults, effectsOf, fileDigest } from './key-facts.js';
export { type LoadedExperiment, loadExperiment } from './load.js';
export { measuredMetrics } from './metrics.js';
export type {
  DatasetConfig,
  EarlyStopping,
  Experiment,
  ModelConfig,
  OptimizerConfig,
  ScheduleConfig,
} from './schema/experiment.js';
