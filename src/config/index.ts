/** Configs: loading, the type of what comes out, and the checks against data. */
export { checkAgainstData, type DataShape, type ModelSizes } from './data-check.js';
export type {
  DatasetConfig,
  EarlyStopping,
  Experiment,
  LayerConfig,
  LossConfig,
  ModelConfig,
  OptimizerConfig,
  ScheduleConfig,
  TrainedMetric,
} from './experiment.js';
export { type LoadedExperiment, loadExperiment } from './load.js';
export { ignoredLabel, lossFacts, measuredMetrics, targetSize } from './losses.js';
export type { ClassesMetric, LabelsMetric, MeasuredMetric, Task, ValuesMetric } from './metrics.js';
export { layersOf } from './model-layers.js';
export { locateInConfig } from './relocate.js';
export { dependsOnLength } from './schedule-checks.js';
