/** A whole config, and the types of its parts. */

import type { SplitName } from '../../data/core/dataset.js';
import { crossValidation } from '../../data/core/settings.js';
import { datasetConfig } from '../../data/kinds.js';
import { intervalsConfig } from '../../math/confidence/conformal.js';
import { thresholdConfig } from '../../math/confidence/threshold.js';
import { lossConfig } from '../../math/losses/index.js';
import { gateMetric, measuredMetric, metricName } from '../../math/metrics/index.js';
import { modelConfig, pattern, patterns } from '../../math/model/settings.js';
import { optimizerConfig } from '../../math/optimizers/index.js';
import { dependsOnLength, type ScheduleConfig } from '../../math/schedules/index.js';
import { minDelta } from '../../math/schedules/plateau.js';
import * as s from '../../util/schema.js';

const NO_EFFECT = { effects: [] } as const satisfies s.KeyFacts;
const NUMERICS = { effects: ['numerics'] } as const satisfies s.KeyFacts;
const ORDER = { effects: ['data_order'] } as const satisfies s.KeyFacts;
const AVERAGE = {
  effects: ['numerics'],
  resume: ({ from }) => (from === null ? { never: 'its checkpoints have no averaged weights' } : undefined),
} as const satisfies s.KeyFacts;

const LENGTH = {
  effects: config => (ratesDependOnLength(config) ? ['length', 'numerics'] : ['length']),
  resume: (_, config) =>
    ratesDependOnLength(config)
      ? { unsafe: 'the learning rates of `optimizer.schedule` depend on the planned length' }
      : undefined,
} as const satisfies s.KeyFacts;

/**
 * More evaluations find other best values. A plateau schedule and early stopping count evaluations,
 * the best of them may be what the run ends with, and a gate over the best value judges what they
 * found. Without these a resume may change them: the metrics of the end stay the same.
 */
const EVALUATIONS = {
  effects: config => [
    ...(followsMetric(config) ? (['numerics'] as const) : []),
    ...(config.training?.early_stopping ? (['length'] as const) : []),
    'evaluations',
    'selection',
  ],
  resume: (_, config) => {
    if (followsMetric(config))
      return { unsafe: 'the learning rates of `optimizer.schedule` follow the evaluations' };
    if (config.training?.early_stopping) return { unsafe: 'early stopping counts evaluations' };
    if (endsWithBest(config)) return { unsafe: 'the run ends with the best of its evaluations' };
    if (config.gates?.some(({ over }) => over === 'best'))
      return { unsafe: 'a gate checks the best value of the evaluations' };
    return undefined;
  },
} as const satisfies s.KeyFacts;

/** Each checkpoint contains the value by which it is ranked, so a resume cannot rank it anew. */
const SELECTION = {
  effects: config => (endsWithBest(config) ? ['selection', 'final'] : ['selection']),
  resume: { unsafe: 'the checkpoints so far were ranked by the earlier value' },
} as const satisfies s.KeyFacts;

/** Without checkpoints that are kept for being the best, it is the best of the newest. */
const KEPT = {
  effects: config => (config.checkpoint?.keep?.best === 0 ? ['selection'] : []),
  resume: ({ from }, config) =>
    from === 0 && endsWithBest(config) ? { unsafe: 'the best checkpoint so far was not kept' } : undefined,
} as const satisfies s.KeyFacts;

/** The checkpoints stay the same, so a resume may end with another of them. */
const FINAL = { effects: config => (endsWithBest(config) ? ['final'] : []) } as const satisfies s.KeyFacts;

function endsWithBest({ checkpoint }: s.FactsContext): boolean {
  return checkpoint?.final === 'best';
}

function ratesDependOnLength({ optimizer }: s.FactsContext): boolean {
  return dependsOnLength(optimizer?.schedule as ScheduleConfig | undefined);
}

function followsMetric({ optimizer }: s.FactsContext): boolean {
  return optimizer?.schedule?.kind === 'plateau';
}

const emaAverage = s.section(
  {
    kind: s.literal('ema', { description: 'Exponential moving average.', examples: ['ema'] }),
    decay: s.number({
      description: 'Fraction of the average that each update keeps.',
      min: 0,
      below: 1,
      default: 0.999,
      aliases: ['alpha', 'beta', 'ema_decay', 'momentum'],
    }),
  },
  {
    name: 'ema_average',
    description: 'Exponential moving average, initialized with the weights after the first update.',
  },
);

const average = s.union('kind', [emaAverage], {
  name: 'average',
  description:
    'Keep an average of the weights in addition to the weights. Evaluations, predictions and checkpoint metrics use the average.',
  examples: [{ kind: 'ema', decay: 0.999 }],
  aliases: ['averaging', 'weight_averaging', 'ema', 'swa', 'model_ema'],
  ...AVERAGE,
});

const training = s.section(
  {
    num_epochs: s.integer({
      description: 'Number of passes over the training set.',
      min: 1,
      max: 1e6,
      examples: [2],
      aliases: ['epochs', 'max_epochs', 'n_epochs'],
      required: true,
      ...LENGTH,
    }),
    max_steps: s.integer({
      description: 'Maximum number of optimizer steps. Training stops after it, even within an epoch.',
      min: 1,
      max: Number.MAX_SAFE_INTEGER,
      examples: [600],
      aliases: ['steps', 'num_steps', 'max_iterations', 'iterations'],
      ...LENGTH,
    }),
    batch_size: s.integer({
      description: 'Sequences per batch.',
      min: 1,
      max: 65536,
      examples: [100],
      aliases: ['batch', 'minibatch_size'],
      required: true,
      ...ORDER,
    }),
    shuffle: s.boolean({
      description: 'Whether to shuffle the training sequences before each epoch.',
      default: true,
      ...ORDER,
    }),
    last_batch: s.choice(['train', 'drop'], {
      description: 'Whether to train on the last batch of an epoch if it is not full, or drop it.',
      default: 'train',
      aliases: ['drop_last', 'drop_remainder'],
      ...ORDER,
    }),
    bucket_by_length: s.boolean({
      description:
        'Whether to batch sequences of similar length together, which reduces padding; equally long ones by the length of a target that is a sequence. With `shuffle` the batches are in random order; without it sequences are sorted by length.',
      default: false,
      examples: [true],
      aliases: ['bucket', 'bucketing', 'buckets', 'group_by_length', 'sort_by_length'],
      ...ORDER,
    }),
    carry_state: s.boolean({
      description:
        'Whether row b of a batch continues row b of the previous batch: its layers start in the final states of that row (truncated backpropagation through time). States are zero at the start of an epoch.',
      default: false,
      examples: [true],
      aliases: ['stateful', 'carry_states', 'keep_state', 'carry_hidden', 'tbptt'],
      ...NUMERICS,
    }),
    log_every: s.integer({
      description:
        'Steps between two logged training steps. By default the run chooses 1, 2, 5, 10, 20, 50, … so that 200 to 500 steps are logged over the planned training, or every step of a shorter one. `manifest.json` records the choice, and a resumed run keeps it.',
      min: 1,
      max: 1e9,
      defaultText: 'chosen by the run so that 200 to 500 steps are logged',
      runDefault: true,
      examples: [100],
      aliases: ['log_interval', 'print_every'],
      ...NO_EFFECT,
    }),
    gradient_clip_norm: s.number({
      description:
        'Maximum norm of the gradient over all parameters. Larger gradients are scaled down to it.',
      above: 0,
      max: 1e9,
      examples: [1],
      aliases: ['clip', 'clip_norm', 'grad_clip', 'max_grad_norm', 'gradient_clip', 'clip_grad_norm'],
      ...NUMERICS,
    }),
    max_skipped_batches: s.integer({
      description:
        'Maximum number of batches per run that are skipped because their loss, gradient or update is not finite. A skipped batch leaves parameters and optimizer state unchanged; it counts as a training step but not as an optimizer update. One more ends the run as diverged.',
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      default: 0,
      examples: [3],
      aliases: ['skip_batches', 'max_skips', 'max_bad_batches', 'max_nan_batches', 'skip_nonfinite'],
      effects: ['length'],
    }),
    average: average,
    freeze: s.list(pattern, {
      description:
        'Names of parameters that stay as they are initialized; `*` matches any text. Their gradients are zero, also in the gradient norm, and they do not decay.',
      examples: [['embedding.*', 'lstm.*']],
      aliases: ['frozen', 'freeze_layers', 'requires_grad'],
      ...patterns,
      ...NUMERICS,
    }),
    evaluate_every: s.section(
      {
        steps: s.integer({
          description: 'Steps between two evaluations.',
          min: 1,
          max: Number.MAX_SAFE_INTEGER,
          examples: [200],
          required: true,
        }),
      },
      {
        description:
          'Evaluate every N steps in addition to the end of each epoch, on the validation split, or on the test split if there is no validation split.',
        examples: [{ steps: 200 }],
        aliases: [
          'eval_every',
          'validate_every',
          'eval_interval',
          'eval_steps',
          'val_check_interval',
          'validation_freq',
        ],
        ...EVALUATIONS,
      },
    ),
    early_stopping: s.section(
      {
        metric: s.like(metricName, {
          description: 'Metric to watch.',
          defaultText: 'checkpoint.metric',
          examples: ['validation.loss'],
          aliases: ['monitor'],
          resume: 'unsafe',
        }),
        patience: s.integer({
          description: 'Number of evaluations in a row without an improvement after which training stops.',
          min: 1,
          max: 1e6,
          examples: [5],
          aliases: ['wait'],
          required: true,
        }),
        min_delta: minDelta,
      },
      {
        description: 'Stop training if a metric has not improved for `patience` evaluations in a row.',
        examples: [{ metric: 'validation.loss', patience: 5 }],
        aliases: ['early_stop', 'earlystopping', 'stop_early'],
        effects: ['length'],
      },
    ),
    metrics: s.list(measuredMetric, {
      description:
        'Metrics to evaluate in addition to the loss; those that are means over predictions are also measured in training. Metrics used by a gate, a checkpoint or early stopping are always measured. Default: accuracy for cross_entropy, accuracy and f1 for binary_cross_entropy, otherwise mean_absolute_error and rmse. docs/reference/metrics.md has the formulas.',
      unique: true,
      examples: [['accuracy', 'f1']],
      aliases: ['metric', 'measures'],
      ...NO_EFFECT,
    }),
    eval_batch_size: s.integer({
      description: 'Sequences per batch in evaluations. Predictions do not depend on it.',
      min: 1,
      max: 65536,
      defaultText:
        'chosen by the run: 100 for each thread, fewer if sequences are long; with `carry_state`, `batch_size`',
      runDefault: true,
      examples: [500],
      aliases: ['test_batch_size', 'evaluation_batch_size', 'val_batch_size'],
      ...NO_EFFECT,
    }),
  },
  {
    name: 'training',
    description: 'The training loop: its length, batches, evaluation and logging.',
    examples: [{ num_epochs: 2, batch_size: 100, shuffle: true, log_every: 100 }],
    aliases: ['train', 'trainer'],
  },
);

const checkpoint = s.section(
  {
    every: s.either(
      [
        s.word(['epoch'], {}),
        s.section(
          {
            steps: s.integer({
              description: 'Optimizer steps between two checkpoints.',
              min: 1,
              max: Number.MAX_SAFE_INTEGER,
              examples: [500],
            }),
            seconds: s.number({
              description: 'Seconds between two checkpoints.',
              min: 1,
              max: 1e9,
              examples: [600],
            }),
          },
          { minKeys: 1, maxKeys: 1 },
        ),
      ],
      {
        description: 'How often to save: after each epoch, every N optimizer steps, or every N seconds.',
        default: 'epoch',
        examples: ['epoch', { steps: 500 }, { seconds: 600 }],
        aliases: ['interval', 'frequency'],
      },
    ),
    keep: s.section(
      {
        last: s.integer({
          description: 'Number of newest checkpoints to keep. The last one is always kept.',
          min: 1,
          max: 100000,
          default: 1,
        }),
        best: s.integer({
          description: 'Number of best checkpoints by `metric` to keep.',
          min: 0,
          max: 100000,
          default: 1,
          ...KEPT,
        }),
      },
      {
        description: 'Number of checkpoints to keep.',
        default: {},
        examples: [{ last: 1, best: 1 }],
      },
    ),
    metric: s.like(metricName, {
      description: 'Metric that determines the best checkpoint.',
      defaultText:
        'training.early_stopping.metric if set; otherwise accuracy for class targets and loss for value targets, on the validation split if there is one, else on the test split',
      examples: ['test.accuracy'],
      aliases: ['monitor'],
      ...SELECTION,
    }),
    mode: s.choice(['min', 'max'], {
      description: 'Whether larger (max) or smaller (min) values of the metric are better.',
      defaultText: 'max for metrics where larger is better, such as an accuracy; min for losses and errors',
      examples: ['max'],
      ...SELECTION,
    }),
    final: s.choice(['best', 'last'], {
      description:
        'Which weights the run ends with: those of the best checkpoint by `metric`, or those after the last step. The final metrics, gates, predictions and exports are theirs.',
      defaultText:
        'best with a validation split or `training.early_stopping`, unless `keep.best` is 0; otherwise last',
      examples: ['last'],
      aliases: ['restore_best', 'restore_best_weights', 'load_best_model_at_end', 'select'],
      ...FINAL,
    }),
  },
  {
    name: 'checkpoint',
    description: 'When to save checkpoints, and which to keep. The end of training is always saved.',
    default: {},
    examples: [{ every: 'epoch', keep: { last: 1, best: 1 }, metric: 'test.accuracy' }],
    aliases: ['checkpoints', 'save'],
    ...NO_EFFECT,
  },
);

const gate = s.section(
  {
    metric: gateMetric,
    over: s.choice(['last', 'best', 'seeds', 'folds', 'interval'], {
      description:
        'Which value to check. last: the last one. best: the best of all evaluations. seeds: the mean over runs that differ only in their seed, which `run --repeat`, `sweep --repeat-best` and `review` check. folds: the mean over `folds`. interval: the end of the 95 % interval over the seeds or folds that is nearer to the bound.',
      default: 'last',
      examples: ['seeds'],
      aliases: ['of'],
    }),
    min: s.number({
      description: 'Smallest value that passes.',
      min: -1e300,
      max: 1e300,
      examples: [0.96],
      aliases: ['minimum', 'at_least'],
    }),
    max: s.number({
      description: 'Largest value that passes.',
      min: -1e300,
      max: 1e300,
      examples: [0.2],
      aliases: ['maximum', 'at_most'],
    }),
    baseline: s.text({
      description: 'Baseline file written by `review --pin`. The metric is compared with its mean.',
      minLength: 1,
      maxLength: 4096,
      examples: ['baselines/mnist-lstm.json'],
      aliases: ['reference'],
      path: true,
    }),
    max_drop: s.number({
      description:
        "How much worse than the baseline's mean the metric may be, in the metric's unit: lower for an accuracy, higher for losses, errors and performance.",
      min: 0,
      max: 1e300,
      examples: [0.005],
      aliases: ['drop', 'tolerance'],
    }),
    max_regress: s.number({
      description:
        "How much worse than the baseline's mean the metric may be, as a fraction of it: 0.05 is 5 %.",
      min: 0,
      max: 1e6,
      examples: [0.05],
      aliases: ['regress', 'regression'],
    }),
    beats: s.choice(['trivial'], {
      description:
        'trivial: the metric must be better than the best trivial baseline on its split, such as the majority class or the mean.',
      examples: ['trivial'],
      aliases: ['better_than'],
    }),
    by: s.number({
      description:
        "Minimum margin over the trivial baseline, in the metric's unit. Default: any improvement passes.",
      min: 0,
      max: 1e300,
      examples: [0.05],
      aliases: ['margin'],
    }),
  },
  {
    name: 'gate',
    description:
      'A condition on a metric: `min`, `max` or both; or a `baseline` and the allowed regression from it (`max_drop` or `max_regress`); or a trivial baseline that it must beat (`beats`).',
    examples: [
      { metric: 'test.accuracy', min: 0.96 },
      { metric: 'test.loss', baseline: 'baselines/mnist-lstm.json', max_regress: 0.05 },
      { metric: 'test.accuracy', beats: 'trivial', by: 0.05 },
    ],
    ...NO_EFFECT,
  },
);

/** Each thread has memory for as many sequences of each row of a batch. */
export const MAX_BEAM = 1000;

const decode = s.section(
  {
    beam: s.integer({
      description:
        'Sequences of symbols that decoding keeps at each step. 1: the likeliest symbol at each step.',
      min: 1,
      max: MAX_BEAM,
      default: 1,
      examples: [8],
      aliases: ['beam_size', 'beam_width', 'num_beams', 'width'],
      ...EVALUATIONS,
    }),
    limit: s.integer({
      description:
        'Symbols after which a decoder ends a sequence that has not ended. Default: twice the length of the longest target of the data.',
      min: 1,
      max: 100000,
      examples: [50],
      aliases: ['max_length', 'max_len', 'max_symbols', 'max_steps'],
      ...EVALUATIONS,
    }),
  },
  {
    name: 'decode',
    description:
      'How sequences of symbols are decoded in evaluations and predictions. For loss `ctc` and models with a decoder.',
    examples: [{ beam: 8 }],
    aliases: ['decoding', 'beam_search'],
  },
);

export const experiment = s.section(
  {
    version: s.literal(1, { description: 'Version of the config format.', examples: [1], ...NO_EFFECT }),
    name: s.text({
      description:
        'Name of the experiment and of its directory in the output directory: letters, digits, dots, underscores and hyphens, starting with a letter or digit, without two dots in a row.',
      maxLength: 100,
      pattern: '^(?!.*\\.\\.)[A-Za-z0-9][A-Za-z0-9._-]*$',
      examples: ['mnist-lstm'],
      form: 'at most 100 letters, digits, `.`, `_` and `-`, starting with a letter or digit, without `..`',
      required: true,
      effects: [],
      resume: { never: 'the run directory is named after it' },
    }),
    description: s.text({
      description: 'Free text. It does not affect results.',
      maxLength: 10000,
      examples: ['Two stacked LSTM layers read each digit row by row.'],
      aliases: ['notes', 'comment'],
      ...NO_EFFECT,
    }),
    extends: s.either(
      [s.text({ minLength: 1 }), s.list(s.text({ minLength: 1 }), { minItems: 1, maxItems: 16 })],
      {
        description:
          'One or more configs to start from. Later files take precedence, mappings are merged key by key, lists are replaced, and null removes an inherited key. `description` is not inherited.',
        examples: ['mnist-lstm.yaml', ['base.yaml', 'large.yaml']],
        aliases: ['include', 'defaults', 'base'],
        ...NO_EFFECT,
      },
    ),
    seed: s.integer({
      description:
        'Seed of all random numbers: initial weights, shuffling, dropout, synthetic data and random splits.',
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      default: 0,
      examples: [0, 42],
      aliases: ['random_seed', 'manual_seed'],
      effects: ['initialisation', 'data_order'],
      resume: { never: 'the weights were initialized and the batches ordered with the first seed' },
    }),
    repeat: s.integer({
      description:
        'Number of seeds to train with, from `seed` on, as one experiment: `run` then trains them like the trials of a sweep, and reports mean, standard deviation and interval of every metric. A sweep has `seeds` instead.',
      min: 1,
      max: 1000,
      examples: [5],
      aliases: ['repeats', 'repetitions', 'num_seeds', 'n_seeds', 'replicas'],
      ...NO_EFFECT,
    }),
    folds: crossValidation,
    dataset: datasetConfig,
    model: modelConfig,
    loss: lossConfig,
    optimizer: optimizerConfig,
    decode,
    training: s.required(training),
    checkpoint: checkpoint,
    calibrate: s.boolean({
      description:
        'Whether to divide the logits of the final weights by a temperature that is fitted on the validation split, for probabilities that agree with frequencies (Guo et al., 2017): one for all classes, or one for each label. That of a decoder is for the symbols that it writes.',
      examples: [true],
      aliases: ['calibration', 'temperature_scaling'],
      effects: ['final'],
    }),
    threshold: thresholdConfig,
    intervals: intervalsConfig,
    gates: s.list(gate, {
      description:
        'Conditions on the final metrics. A run exits with code 3 if a gate fails or is inconclusive.',
      maxItems: 100,
      default: [],
      examples: [[{ metric: 'test.accuracy', min: 0.96 }]],
    }),
  },
  {
    title: 'Experiment',
    description:
      'A cellrun config: the data, the recurrent network, the training, and the gates that the result must pass. Annotations: x-path marks a path relative to the file that contains it; x-form describes a pattern in words; x-default describes a default that depends on other keys; x-run-default marks a default that the run chooses, so the resolved config lacks the key; x-excludes lists the keys that an inherited config loses if this key is given; x-aliases lists names from other tools.',
  },
);

/** A complete config: every default filled in. */
export type Experiment = Omit<s.TypeOf<typeof experiment>, 'extends'>;

export { dataRecord, dataScaling } from '../../data/core/record.js';
export type { LayerConfig } from '../../math/cells/index.js';
export type { LossConfig } from '../../math/losses/index.js';
export type { GateMetricName, MetricName } from '../../math/metrics/index.js';
export type { ModelConfig } from '../../math/model/settings.js';
export type { OptimizerConfig } from '../../math/optimizers/index.js';
export type { ScheduleConfig } from '../../math/schedules/index.js';
export type { SplitName };

/** A config with only the sections that are valid by themselves. */
export type PartialExperiment = Partial<Experiment>;

export type DatasetConfig = Experiment['dataset'];
export type EarlyStopping = NonNullable<Experiment['training']['early_stopping']>;
export type GateConfig = Experiment['gates'][number];
