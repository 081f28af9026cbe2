/** The types of a resolved config and its parts. */
import type { SplitName } from '../data/core/dataset.js';
import type { Experiment } from './schema/experiment.js';

export { dataRecord, dataScaling } from '../data/core/record.js';
export type { LayerConfig } from '../math/cells/index.js';
export type { LossConfig } from '../math/losses/index.js';
export type { GateMetricName, MetricName } from '../math/metrics/index.js';
export type { ModelConfig } from '../math/model/settings.js';
export type { OptimizerConfig } from '../math/optimizers/index.js';
export type { ScheduleConfig } from '../math/schedules/index.js';
export type { Experiment, SplitName };

/** A config with only the sections that are valid by themselves. */
export type PartialExperiment = Partial<Experiment>;

export type DatasetConfig = Experiment['dataset'];
export type EarlyStopping = NonNullable<Experiment['training']['early_stopping']>;
export type GateConfig = Experiment['gates'][number];
