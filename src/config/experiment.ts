/** The names under which the rest of the program knows parts of a resolved config. Deeply readonly, as it is frozen. */
import type * as generated from './generated.js';

/** `T` with everything in it readonly. */
export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** A resolved config: validated, every default filled in, data paths absolute, frozen. */
export type Experiment = DeepReadonly<generated.Experiment>;

/** A config with only those sections that are valid by themselves; what is checked while others are still wrong. */
export type PartialExperiment = Partial<Experiment>;

export type DatasetConfig = Experiment['dataset'];
export type ModelConfig = Experiment['model'];
/** A recurrent layer by its cell. */
export type LayerConfig = DeepReadonly<generated.LayerConfig>;
export type LossConfig = Experiment['loss'];
export type OptimizerConfig = Experiment['optimizer'];
export type ScheduleConfig = NonNullable<OptimizerConfig['schedule']>;
export type GateConfig = Experiment['gates'][number];
export type MetricName = Experiment['checkpoint']['metric'];
/** What a gate may judge: a metric, or what training cost. */
export type GateMetricName = GateConfig['metric'];
