/**
 * What is known of each key of a config, in one place: which results it changes, and whether it may
 * change when a run resumes. The hash of a config, comparisons, baselines and `resume` follow it.
 */
import type { Experiment, ScheduleConfig } from './experiment.js';
import { dependsOnLength } from './rules/schedule-checks.js';
import { experimentSchema, schemaAt } from './schema/walk.js';

/**
 * The effect of a key of the config:
 *
 * - `numerics`: changes the computation
 * - `data`: changes the data, or the part of them that is used
 * - `data_order`: changes the sequences of a batch, or the order of batches
 * - `initialisation`: changes the initial weights
 * - `length`: changes the number of steps, or the step whose weights are kept
 * - `unknown`: a key of another version
 */
export type Effect = 'numerics' | 'data' | 'data_order' | 'initialisation' | 'length' | 'unknown';

/**
 * Whether a key may change when a run resumes. `safe`: results up to the previous end stay the
 * same. `unsafe`: only if the user allows it by name. `never`: not at all. With the reason, except
 * where an effect says enough.
 */
export type OnResume = 'safe' | 'unsafe' | { readonly unsafe: string } | { readonly never: string };

/** The parts of a config that effects depend on. */
interface Context {
  readonly optimizer?: { readonly schedule?: ScheduleConfig | undefined };
  readonly training?: { readonly early_stopping?: object | undefined };
}

interface ValueChange {
  /** Null if the key was not set; likewise `to`. */
  readonly from: unknown;
  readonly to: unknown;
}

export interface KeyFacts {
  /** Runs that differ only in keys without an effect have the same weights and metrics. */
  readonly effects: readonly Effect[] | ((config: Context) => readonly Effect[]);
  /** Absent: `safe` if the key changes at most the length, else `unsafe`. */
  readonly resume?: OnResume | ((change: ValueChange, config: Context) => OnResume | undefined);
}

/** Paths of all keys with plain values; items of lists without their index. */
type LeafPath<T> = T extends readonly (infer Item)[]
  ? LeafPath<Item>
  : T extends object
    ? { [K in keyof T & string]-?: Joined<K, LeafPath<NonNullable<T[K]>>> }[keyof T & string]
    : '';
type Joined<Key extends string, Rest extends string> = Rest extends '' ? Key : `${Key}.${Rest}`;

/** Keys of `model.layers` have the facts of the same keys of `model`. */
type Key = Exclude<LeafPath<Experiment>, `model.layers.${string}`>;

function each<K extends Key>(keys: readonly K[], facts: KeyFacts): Readonly<Record<K, KeyFacts>> {
  return Object.fromEntries(keys.map(key => [key, facts])) as Record<K, KeyFacts>;
}

const none: KeyFacts = { effects: [] };
const numerics: KeyFacts = { effects: ['numerics'] };
const data: KeyFacts = { effects: ['data'] };
const order: KeyFacts = { effects: ['data_order'] };
const model: KeyFacts = {
  effects: ['numerics'],
  resume: { never: 'its checkpoints belong to this model' },
};
const loss: KeyFacts = { effects: ['numerics'], resume: { never: 'its model was built for this loss' } };
const validation: KeyFacts = {
  effects: ['data'],
  resume: { never: 'its best checkpoint was selected on this validation split' },
};
const vocabulary: KeyFacts = {
  effects: ['data'],
  resume: { never: 'its weights were trained with this vocabulary' },
};
const buffer: KeyFacts = {
  effects: ['numerics'],
  resume: ({ to }) => (to === true ? { never: 'its checkpoints have no state for it' } : undefined),
};
const average: KeyFacts = {
  effects: ['numerics'],
  resume: ({ from }) => (from === null ? { never: 'its checkpoints have no averaged weights' } : undefined),
};
const length: KeyFacts = {
  effects: config => (ratesDependOnLength(config) ? ['length', 'numerics'] : ['length']),
  resume: (_, config) =>
    ratesDependOnLength(config)
      ? { unsafe: 'the learning rates of `optimizer.schedule` depend on the planned length' }
      : undefined,
};

function ratesDependOnLength({ optimizer }: Context): boolean {
  return dependsOnLength(optimizer?.schedule);
}

/** True if learning rates follow the evaluations. */
function followsMetric({ optimizer }: Context): boolean {
  return optimizer?.schedule?.kind === 'plateau';
}

/** Typed by the schema: a missing key does not compile. */
const FACTS: Readonly<Record<Key, KeyFacts>> = {
  version: none,
  name: { effects: [], resume: { never: 'the run directory is named after it' } },
  description: none,
  seed: {
    effects: ['initialisation', 'data_order'],
    resume: { never: 'the weights were initialized and the batches ordered with the first seed' },
  },

  ...each(['dataset.kind', 'dataset.sequence', 'dataset.path', 'dataset.limit'], data),
  ...each(
    ['dataset.validation.fraction', 'dataset.validation.count', 'dataset.validation.select'],
    validation,
  ),
  ...each(['dataset.train_images', 'dataset.train_labels', 'dataset.validation_images'], data),
  ...each(['dataset.validation_labels', 'dataset.test_images', 'dataset.test_labels'], data),
  // the same bytes, read in another way
  'dataset.memory': none,
  'dataset.obtain': none,
  'dataset.test_fraction': data,
  'dataset.normalize': {
    effects: ['data'],
    resume: { never: 'its weights were trained on data with this scaling' },
  },
  'dataset.validation_arrays': validation,
  ...each(['dataset.x', 'dataset.y', 'dataset.lengths', 'dataset.ids'], data),
  ...each(['dataset.x_validation', 'dataset.y_validation', 'dataset.lengths_validation'], data),
  ...each(['dataset.ids_validation', 'dataset.x_test', 'dataset.y_test', 'dataset.lengths_test'], data),
  ...each(['dataset.ids_test', 'dataset.delimiter', 'dataset.validation_path', 'dataset.test_path'], data),
  ...each(['dataset.features', 'dataset.input_kind', 'dataset.target', 'dataset.target_kind'], data),
  'dataset.labels_as_text': {
    effects: ['data'],
    resume: { never: 'its classes were numbered with labels compared in this way' },
  },
  'dataset.level': vocabulary,
  'dataset.min_count': vocabulary,
  ...each(['dataset.sequence.per_file', 'dataset.sequence.group', 'dataset.sequence.order'], data),
  ...each(['dataset.sequence.per_step', 'dataset.id', 'dataset.input', 'dataset.per_step'], data),
  'dataset.sequence_length': { effects: ['data'], resume: { never: 'its batches have this length' } },
  ...each(['dataset.series', 'dataset.time', 'dataset.known', 'dataset.calendar'], data),
  ...each(['dataset.input_steps', 'dataset.horizon', 'dataset.stride', 'dataset.season'], data),
  ...each(['dataset.relative_to', 'dataset.problem', 'dataset.delay', 'dataset.train_size'], data),
  ...each(['dataset.test_size', 'dataset.seed'], data),

  ...each(['model.cell', 'model.hidden_size', 'model.num_layers', 'model.bidirectional'], model),
  ...each(['model.projection_size', 'model.layer_norm', 'model.nonlinearity', 'model.dropout'], model),
  ...each(['model.embedding.size', 'model.embedding.num_symbols', 'model.head.from'], model),
  ...each(['model.head.hidden_sizes', 'model.head.activation', 'model.head.dropout'], model),
  'model.num_classes': model,
  'model.init_from': {
    effects: ['initialisation'],
    resume: { never: 'initial weights are read only at the start of a run' },
  },

  ...each(['loss.kind', 'loss.class_weights', 'loss.label_smoothing', 'loss.positive_weights'], loss),
  ...each(['loss.delta', 'loss.quantiles'], loss),
  'loss.ignored_index': { ...loss, effects: ['data'] },

  'optimizer.kind': {
    effects: ['numerics'],
    resume: { never: 'its checkpoints have no state for another optimizer' },
  },
  'optimizer.momentum': {
    effects: ['numerics'],
    resume: ({ from, to }) =>
      from === 0 && to !== null ? { never: 'its checkpoints have no momentum' } : undefined,
  },
  'optimizer.amsgrad': buffer,
  'optimizer.centered': buffer,
  ...each(['optimizer.learning_rate', 'optimizer.nesterov', 'optimizer.weight_decay'], numerics),
  ...each(['optimizer.betas', 'optimizer.eps', 'optimizer.alpha', 'optimizer.momentum_decay'], numerics),
  ...each(['optimizer.learning_rate_decay', 'optimizer.weight_decay_on'], numerics),
  ...each(['optimizer.schedule.kind', 'optimizer.schedule.factor'], numerics),
  ...each(['optimizer.schedule.every.steps', 'optimizer.schedule.every.epochs'], numerics),
  ...each(['optimizer.schedule.length.steps', 'optimizer.schedule.length.epochs'], numerics),
  ...each(['optimizer.schedule.min_learning_rate', 'optimizer.schedule.end_factor'], numerics),
  ...each(['optimizer.schedule.start_factor', 'optimizer.schedule.warmup_fraction'], numerics),
  ...each(['optimizer.schedule.warmup.steps', 'optimizer.schedule.warmup.epochs'], numerics),
  ...each(['optimizer.schedule.warmup.start_factor', 'optimizer.schedule.metric'], numerics),
  ...each(['optimizer.schedule.patience', 'optimizer.schedule.min_delta'], numerics),
  'optimizer.schedule.cooldown': numerics,

  'training.num_epochs': length,
  'training.max_steps': length,
  ...each(['training.batch_size', 'training.shuffle', 'training.last_batch'], order),
  'training.bucket_by_length': order,
  'training.carry_state': numerics,
  'training.log_every': none,
  'training.gradient_clip_norm': numerics,
  // may stop a run after a batch with a loss that is not finite
  'training.max_skipped_batches': { effects: ['length'] },
  'training.metrics': none,
  'training.average.kind': average,
  'training.average.decay': average,
  // changes the order of summation of metrics, and so their last digits
  'training.eval_batch_size': {
    effects: ['numerics'],
    resume: (_, config) => (followsMetric(config) ? 'unsafe' : 'safe'),
  },
  // a plateau schedule and early stopping count evaluations
  'training.evaluate_every.steps': {
    effects: config => [
      ...(followsMetric(config) ? (['numerics'] as const) : []),
      ...(config.training?.early_stopping ? (['length'] as const) : []),
    ],
    resume: (_, config) =>
      followsMetric(config)
        ? { unsafe: 'the learning rates of `optimizer.schedule` follow the evaluations' }
        : config.training?.early_stopping
          ? { unsafe: 'early stopping counts evaluations' }
          : undefined,
  },
  'training.early_stopping.metric': { effects: ['length'], resume: 'unsafe' },
  'training.early_stopping.patience': { effects: ['length'] },
  'training.early_stopping.min_delta': { effects: ['length'] },
  'training.early_stopping.restore_best': { effects: ['length'], resume: 'unsafe' },

  ...each(['checkpoint.every', 'checkpoint.every.steps', 'checkpoint.every.seconds'], none),
  ...each(['checkpoint.keep.last', 'checkpoint.keep.best', 'checkpoint.metric', 'checkpoint.mode'], none),
  ...each(['gates.metric', 'gates.over', 'gates.min', 'gates.max', 'gates.baseline'], none),
  ...each(['gates.max_drop', 'gates.max_regress', 'gates.beats', 'gates.by'], none),
};

const BY_KEY: ReadonlyMap<string, KeyFacts> = new Map(Object.entries(FACTS));

/** See `earlierValues`. */
const UNTIL = / until step \d+$/;

/** True for a key of `earlierValues`: a value that a resume changed. */
export function isEarlier(key: string): boolean {
  return UNTIL.test(key);
}

/** The facts of a key such as `gates.0.min`; those of all keys below it for `gates`. */
function factsOf(key: string): readonly KeyFacts[] {
  const known = key
    .replace(UNTIL, '')
    .replace(/\.\d+(?=\.|$)/g, '')
    .replace('model.layers.', 'model.');
  const own = BY_KEY.get(known);
  if (own !== undefined) return [own];
  const inside = known === 'model.layers' ? 'model.' : `${known}.`;
  return [...BY_KEY].flatMap(([one, facts]) => (one.startsWith(inside) ? [facts] : []));
}

/**
 * The effects in `config` of a key such as `gates.0.min`, or of an earlier value such as
 * `optimizer.learning_rate until step 36`. Empty if it does not change results.
 * @param config resolved; may be of another version
 */
export function effectsOf(key: string, config: object): readonly Effect[] {
  const facts = factsOf(key);
  if (facts.length === 0) return ['unknown'];
  const found = facts.flatMap(({ effects }) =>
    typeof effects === 'function' ? effects(config as Context) : effects,
  );
  return [...new Set(found)];
}

/** Whether a key may change in this way when a run resumes with `config`. */
export function onResume(key: string, change: ValueChange, config: object): OnResume {
  const isSafe = effectsOf(key, config).every(effect => effect === 'length');
  const asked = factsOf(key).map(
    ({ resume }) =>
      (typeof resume === 'function' ? resume(change, config as Context) : resume) ??
      (isSafe ? 'safe' : 'unsafe'),
  );
  const rank = (one: OnResume) => (typeof one === 'object' && 'never' in one ? 0 : one === 'safe' ? 2 : 1);
  return asked.sort((a, b) => rank(a) - rank(b))[0] ?? 'unsafe';
}

/**
 * True if the value is the path of a file that determines results, whose digest the manifest
 * contains.
 */
export function isInputPath(key: string): boolean {
  const isPath = schemaAt(key.split('.'), undefined, experimentSchema())?.['x-path'] === true;
  return isPath && effectsOf(key, {}).length > 0;
}
