/** The types of a resolved config and its parts. */
import type { SplitName } from '../data/core/dataset.js';
import type * as generated from './generated.js';

export type { SplitName };

/** `T`, deeply readonly. */
export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** A resolved config: validated, every default filled in, data paths absolute, frozen. */
export type Experiment = DeepReadonly<generated.Experiment>;

/** A config with only the sections that are valid by themselves. */
export type PartialExperiment = Partial<Experiment>;

type WithoutSplit<S extends SplitName, Name> = Name extends `${S}.${infer M}` ? M : never;

export type DatasetConfig = Experiment['dataset'];
export type ModelConfig = Experiment['model'];
/** A recurrent layer, a union over its `cell`. */
export type LayerConfig = DeepReadonly<generated.LayerConfig>;
export type LossConfig = Experiment['loss'];
export type OptimizerConfig = Experiment['optimizer'];
export type ScheduleConfig = NonNullable<OptimizerConfig['schedule']>;
export type EarlyStopping = NonNullable<Experiment['training']['early_stopping']>;
export type GateConfig = Experiment['gates'][number];
/** A split and a metric, such as `test.accuracy`. */
export type MetricName = Experiment['checkpoint']['metric'];
/** A metric without its split. */
export type Metric = WithoutSplit<SplitName, MetricName>;
/** A metric that training measures too. */
export type TrainedMetric = WithoutSplit<'train', MetricName>;
/** A metric or a performance figure, which a gate may judge. */
export type GateMetricName = GateConfig['metric'];
