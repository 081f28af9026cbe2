/** Configs: loading, the type of what comes out, and the checks against data. */
export { checkAgainstData, type DataShape, type ModelSizes } from './data-check.js';
export type {
  CheckpointConfig,
  DatasetConfig,
  DeepReadonly,
  Experiment,
  GateConfig,
  LossConfig,
  MetricName,
  ModelConfig,
  OptimizerConfig,
  TrainingConfig,
} from './experiment.js';
export { type LoadedExperiment, loadExperiment } from './load.js';
export { largerIsBetter, metricsOf } from './metrics.js';
