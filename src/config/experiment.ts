/** The names under which the rest of the program knows parts of a resolved config. Deeply readonly, as it is frozen. */
import type { SplitName } from '../data/dataset.js';
import type * as generated from './generated.js';

export type { SplitName };

/** `T` with everything in it readonly. */
export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** A resolved config: validated, every default filled in, data paths absolute, frozen. */
export type Experiment = DeepReadonly<generated.Experiment>;

/** A config with only those sections that are valid by themselves; what is checked while others are still wrong. */
export type PartialExperiment = Partial<Experiment>;

type WithoutSplit<S extends SplitName, Name> = Name extends `${S}.${infer M}` ? M : never;

export type DatasetConfig = Experiment['dataset'];
export type ModelConfig = Experiment['model'];
/** A recurrent layer by its cell. */
export type LayerConfig = DeepReadonly<generated.LayerConfig>;
export type LossConfig = Experiment['loss'];
export type OptimizerConfig = Experiment['optimizer'];
export type ScheduleConfig = NonNullable<OptimizerConfig['schedule']>;
/** When training ends before its last step. */
export type EarlyStopping = NonNullable<Experiment['training']['early_stopping']>;
export type GateConfig = Experiment['gates'][number];
/** A split and a metric, such as `test.accuracy`. */
export type MetricName = Experiment['checkpoint']['metric'];
/** A metric without its split. */
export type Metric = WithoutSplit<SplitName, MetricName>;
/** A metric that training measures as well. */
export type TrainedMetric = WithoutSplit<'train', MetricName>;
/** What a gate may judge: a metric, or what training cost. */
export type GateMetricName = GateConfig['metric'];
