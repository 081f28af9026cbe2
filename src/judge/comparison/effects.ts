/**
 * The effects of all keys of a config. Runs that differ only in keys without an effect have the
 * same weights and metrics.
 */
import type { Experiment } from '../../config/experiment.js';
import { allKeys } from '../../config/schema/walk.js';
import type { Effect } from './document.js';

/** Paths of all keys with plain values; items of lists without their index. */
type LeafPath<T> = T extends readonly (infer Item)[]
  ? LeafPath<Item>
  : T extends object
    ? { [K in keyof T & string]-?: Joined<K, LeafPath<NonNullable<T[K]>>> }[keyof T & string]
    : '';
type Joined<Key extends string, Rest extends string> = Rest extends '' ? Key : `${Key}.${Rest}`;

/**
 * Keys of `model.layers` have the effects of the same keys of `model`. All keys of `dataset` change
 * the data, except `obtain` and `memory` (see `effectsOf`).
 */
type Key = Exclude<LeafPath<Experiment>, `model.layers.${string}` | `dataset.${string}`>;

/** Typed by the schema: a missing key does not compile. */
const EFFECTS: Readonly<Record<Key, readonly Effect[]>> = {
  version: [],
  name: [],
  description: [],
  seed: ['initialisation', 'data_order'],
  'model.cell': ['numerics'],
  'model.hidden_size': ['numerics'],
  'model.num_layers': ['numerics'],
  'model.bidirectional': ['numerics'],
  'model.projection_size': ['numerics'],
  'model.layer_norm': ['numerics'],
  'model.nonlinearity': ['numerics'],
  'model.dropout': ['numerics'],
  'model.embedding.size': ['numerics'],
  'model.embedding.num_symbols': ['numerics'],
  'model.head.from': ['numerics'],
  'model.head.hidden_sizes': ['numerics'],
  'model.head.activation': ['numerics'],
  'model.head.dropout': ['numerics'],
  'model.num_classes': ['numerics'],
  'model.init_from': ['initialisation'],
  'loss.kind': ['numerics'],
  'loss.class_weights': ['numerics'],
  'loss.label_smoothing': ['numerics'],
  'loss.ignored_index': ['data'],
  'loss.positive_weights': ['numerics'],
  'loss.delta': ['numerics'],
  'loss.quantiles': ['numerics'],
  'optimizer.kind': ['numerics'],
  'optimizer.learning_rate': ['numerics'],
  'optimizer.momentum': ['numerics'],
  'optimizer.nesterov': ['numerics'],
  'optimizer.weight_decay': ['numerics'],
  'optimizer.betas': ['numerics'],
  'optimizer.eps': ['numerics'],
  'optimizer.amsgrad': ['numerics'],
  'optimizer.centered': ['numerics'],
  'optimizer.alpha': ['numerics'],
  'optimizer.momentum_decay': ['numerics'],
  'optimizer.learning_rate_decay': ['numerics'],
  'optimizer.weight_decay_on': ['numerics'],
  'optimizer.schedule.kind': ['numerics'],
  'optimizer.schedule.every.steps': ['numerics'],
  'optimizer.schedule.every.epochs': ['numerics'],
  'optimizer.schedule.length.steps': ['numerics'],
  'optimizer.schedule.length.epochs': ['numerics'],
  'optimizer.schedule.factor': ['numerics'],
  'optimizer.schedule.min_learning_rate': ['numerics'],
  'optimizer.schedule.end_factor': ['numerics'],
  'optimizer.schedule.start_factor': ['numerics'],
  'optimizer.schedule.warmup_fraction': ['numerics'],
  'optimizer.schedule.warmup.steps': ['numerics'],
  'optimizer.schedule.warmup.epochs': ['numerics'],
  'optimizer.schedule.warmup.start_factor': ['numerics'],
  'optimizer.schedule.metric': ['numerics'],
  'optimizer.schedule.patience': ['numerics'],
  'optimizer.schedule.min_delta': ['numerics'],
  'optimizer.schedule.cooldown': ['numerics'],
  'training.num_epochs': ['length'],
  'training.max_steps': ['length'],
  'training.batch_size': ['data_order'],
  'training.shuffle': ['data_order'],
  'training.last_batch': ['data_order'],
  'training.bucket_by_length': ['data_order'],
  'training.carry_state': ['numerics'],
  'training.log_every': [],
  'training.gradient_clip_norm': ['numerics'],
  // may stop a run after a batch with a loss that is not finite
  'training.max_skipped_batches': ['length'],
  'training.metrics': [],
  'training.average.kind': ['numerics'],
  'training.average.decay': ['numerics'],
  // changes the order of summation of metrics, and so their last digits
  'training.eval_batch_size': ['numerics'],
  'training.evaluate_every.steps': [],
  'training.early_stopping.metric': ['length'],
  'training.early_stopping.patience': ['length'],
  'training.early_stopping.min_delta': ['length'],
  'training.early_stopping.restore_best': ['length'],
  'checkpoint.every': [],
  'checkpoint.every.steps': [],
  'checkpoint.every.seconds': [],
  'checkpoint.keep.last': [],
  'checkpoint.keep.best': [],
  'checkpoint.metric': [],
  'checkpoint.mode': [],
  'gates.metric': [],
  'gates.over': [],
  'gates.min': [],
  'gates.max': [],
  'gates.baseline': [],
  'gates.max_drop': [],
  'gates.max_regress': [],
  'gates.beats': [],
  'gates.by': [],
};

const BY_KEY: ReadonlyMap<string, readonly Effect[]> = new Map(Object.entries(EFFECTS));

/**
 * The effects of a key such as `gates.0.min`, or of an earlier value such as
 * `optimizer.learning_rate until step 36`. Empty if it does not change results.
 */
export function effectsOf(key: string): readonly Effect[] {
  if (key.startsWith('dataset.')) return key === 'dataset.obtain' || key === 'dataset.memory' ? [] : ['data'];
  return (
    BY_KEY.get(withoutIndexes(key.replace(UNTIL, '')).replace('model.layers.', 'model.')) ??
    (key === 'gates' ? [] : ['unknown'])
  );
}

/** True if the value is the path of a data file, whose digest the manifest contains. */
export function isDataPath(key: string): boolean {
  dataPaths ??= new Set(
    allKeys()
      .filter(({ path, schema }) => path[0] === 'dataset' && schema['x-path'] === true)
      .map(({ path }) => path.join('.')),
  );
  return dataPaths.has(key);
}

let dataPaths: ReadonlySet<string> | undefined;

/** See `earlierValues`. */
const UNTIL = / until step \d+$/;

/** True for a key of `earlierValues`: a value that a resume changed. */
export function isEarlier(key: string): boolean {
  return UNTIL.test(key);
}

function withoutIndexes(key: string): string {
  return key.replace(/\.\d+(?=\.|$)/g, '');
}
