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
} from './experiment.js';
export { type LoadedExperiment, loadExperiment } from './load.js';
export { layersOf } from './model-layers.js';
export { locateInConfig } from './relocate.js';
