/** The definition of sweep files; `npm run generate` writes `schemas/sweep.schema.json` from it. */
import { METRICS, metricName } from '../../math/metrics/index.js';
import * as s from '../../util/schema.js';
import { type Pruner, prunerSettings } from '../schedule/pruners.js';
import { type Method, method } from '../search/index.js';
import type { Value } from '../search/space.js';

const seconds = s.named('seconds', s.number({ above: 0, max: 1e9, examples: [600] }));

const duration = s.text({
  name: 'duration',
  maxLength: 20,
  pattern: '^(?!0+(\\.0+)?[smhd])\\d{1,9}(\\.\\d{1,6})?[smhd]$',
  form: 'a duration such as 90s, 10m, 1.5h or 2d',
  examples: ['10m'],
});

const when = s.mapOf(
  s.anything<Value>({ description: 'A value of that parameter, or a list of values.', examples: ['sgd'] }),
  {
    name: 'when',
    description:
      'A condition: the parameter exists only if another parameter exists and has this value, or one of these values.',
    minKeys: 1,
    maxKeys: 1,
    aliases: ['if', 'condition', 'conditions'],
    examples: [{ 'optimizer.kind': 'sgd' }, { 'optimizer.kind': ['sgd', 'adam'] }],
  },
);

const LOW = { description: 'Smallest value.', aliases: ['min', 'minimum', 'from'], required: true } as const;
const HIGH = { description: 'Largest value.', aliases: ['max', 'maximum', 'to'], required: true } as const;
const REAL = { min: -1e300, max: 1e300 };
const WHOLE = { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER };

const low = s.named('low', s.number({ ...LOW, ...REAL, examples: [0] }));
const positiveLow = s.named('positive_low', s.number({ ...LOW, above: 0, max: 1e300, examples: [0.0001] }));
const high = s.named('high', s.number({ ...HIGH, ...REAL, examples: [0.1] }));
const intLow = s.named('int_low', s.integer({ ...LOW, ...WHOLE, examples: [32] }));
const logIntLow = s.integer({ ...LOW, min: 1, max: Number.MAX_SAFE_INTEGER, examples: [8] });
const intHigh = s.named('int_high', s.integer({ ...HIGH, ...WHOLE, examples: [256] }));

const valueLike = (example: Value) =>
  s.anything<Value>({ description: 'A value that is valid in the config.', examples: [example] });

const valueList = <S extends s.Shape>(item: S, example: Value, more: object = {}) =>
  s.list(item, { maxItems: 1000, unique: true, examples: [example], ...more, minItems: 1 });

function distribution<const K extends string, P extends Readonly<Record<string, s.Shape>>>(
  kind: K,
  description: string,
  keys: P,
) {
  return s.named(kind, s.variant({ kind, description, keys: { ...keys, when } }));
}

const choices = s.required(
  valueList(valueLike('adam'), ['adam', 'sgd'], {
    description: 'The values.',
    aliases: ['choices', 'options'],
  }),
);

const pairs = [
  [64, 100],
  [128, 50],
];
const pairedValues = s.required(
  valueList(s.list(valueLike(64), { minItems: 2, maxItems: 100 }), pairs, {
    description: 'Lists with one value per key.',
    aliases: ['choices', 'options', 'pairs'],
  }),
);

const step = s.integer({
  description: 'Step between two values.',
  min: 1,
  max: Number.MAX_SAFE_INTEGER,
  default: 1,
  examples: [32],
  aliases: ['q', 'stride'],
});

const ANY = 'One of several values. A plain list is short for it.';
const REAL_NUMBER = 'A number between two bounds, uniformly distributed.';
const LOG_NUMBER = 'A number between two positive bounds, uniformly distributed on a log scale.';
const STEPS = 'An integer: low, low + step, and so on up to high.';
const LOG_INTEGER = 'An integer between two positive bounds, uniformly distributed on a log scale.';
const TOGETHER = "Several keys that vary together. The parameter's name lists the keys, separated by commas.";

const parameter = s.either(
  [
    s.named('values', valueList(valueLike(64), [64, 128])),
    s.union(
      'kind',
      [
        distribution('choice', ANY, { values: choices }),
        distribution('uniform', REAL_NUMBER, { low, high }),
        distribution('log_uniform', LOG_NUMBER, { low: positiveLow, high }),
        distribution('int', STEPS, { low: intLow, high: intHigh, step }),
        distribution('log_int', LOG_INTEGER, { low: logIntLow, high: intHigh }),
        distribution('paired', TOGETHER, { values: pairedValues }),
      ],
      { name: 'distribution', examples: [{ kind: 'uniform', low: 0, high: 0.9 }] },
    ),
  ],
  {
    name: 'parameter',
    description: 'A list of values, or a mapping with a `kind`.',
    examples: [[64, 128], { kind: 'log_uniform', low: 0.0001, high: 0.1 }],
  },
);

const kindOf = ({ keys }: s.Shape): string => String(keys.kind.schema().const);

/** A word, or a mapping with this kind. */
const kinded = <S extends s.Shape>(name: string, settings: S, options: object) =>
  s.either([s.word(settings.parts.map(kindOf), {}), settings], { name, ...options });

export const sweepFile = s.section(
  {
    version: s.literal(1, { description: 'Version of the sweep format.', examples: [1] }),
    name: s.text({
      description:
        'Name of the sweep and of its directory below `sweeps` in the output directory: letters, digits, dots, underscores and hyphens, starting with a letter or digit, without two dots in a row.',
      maxLength: 100,
      pattern: '^(?!.*\\.\\.)[A-Za-z0-9][A-Za-z0-9._-]*$',
      form: 'at most 100 letters, digits, `.`, `_` and `-`, starting with a letter or digit, without `..`',
      examples: ['mnist-lstm'],
      required: true,
    }),
    description: s.text({
      description: 'Free text. It does not affect results.',
      maxLength: 10000,
      aliases: ['notes', 'comment'],
      examples: ['Tunes the learning rate of the reference experiment.'],
    }),
    base: s.text({
      description: 'The config that every trial starts from. Set this or `variants`.',
      minLength: 1,
      maxLength: 4096,
      path: true,
      aliases: ['config', 'experiment', 'extends'],
      examples: ['../mnist-lstm.yaml'],
    }),
    variants: s.list(s.text({ minLength: 1, maxLength: 4096, path: true }), {
      description:
        'Several configs to start from; each is a value of the parameter `config`. `parameters` vary all of them. Set this or `base`.',
      minItems: 1,
      maxItems: 1000,
      unique: true,
      aliases: ['configs', 'bases'],
      examples: [['../variants/small.yaml', '../variants/deep.yaml']],
    }),
    parameters: s.mapOf(parameter, {
      description:
        'The parameters to vary: dotted keys of the config, each with a list of values or a mapping with a `kind`. Values must be valid in the config; null removes the key.',
      maxKeys: 100,
      default: {},
      aliases: ['space', 'params', 'search_space', 'parameter'],
      examples: [
        {
          'optimizer.learning_rate': { kind: 'log_uniform', low: 0.0001, high: 0.1 },
          'model.hidden_size': [64, 128],
        },
      ],
    }),
    exclude: s.list(
      s.mapOf(s.anything<Value>({ description: 'A value of the parameter.', examples: [128] }), {
        minKeys: 1,
      }),
      {
        description:
          'Points to exclude: each item maps parameters to values and excludes every point that has all of them.',
        maxItems: 1000,
        default: [],
        aliases: ['without', 'skip'],
        examples: [[{ 'model.hidden_size': 128, 'training.batch_size': 50 }]],
      },
    ),
    method: s.required(
      kinded('method', method, {
        description:
          'How to choose points: all of them (grid), at random (random), evenly (sobol: scrambled Sobol points), or based on the results so far (tpe: multivariate, Bergstra et al. 2011). A word, or a mapping with a `kind`.',
        aliases: ['sampler', 'search', 'algorithm', 'strategy'],
        examples: ['grid', { kind: 'tpe', n_startup_trials: 10 }],
      }),
    ),
    seed: s.integer({
      description: "Seed of the sweep's own random choices. Trials are trained with the seeds of `seeds`.",
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      default: 0,
      aliases: ['random_seed'],
    }),
    seeds: s.list(s.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), {
      description:
        "Seeds to train each point with, as the config's `seed`. The objective is the mean over them.",
      minItems: 1,
      maxItems: 1000,
      unique: true,
      defaultText: "the config's own seed" as string | undefined,
      aliases: ['replicas', 'repeats'],
      examples: [[0, 1, 2]],
    }),
    repeat_best: s.integer({
      description:
        'Number of further seeds to train the best trial with after the search: those after the largest of `seeds`. Final metrics are then over these seeds, since the value that a trial is chosen for is optimistic. Limits of `budget` do not apply.',
      min: 1,
      max: 1000,
      defaultText: 'none' as string | undefined,
      aliases: ['repeat', 'repeat_winner', 'retrain', 'refit'],
      examples: [5],
    }),
    objective: s.section(
      {
        metric: s.choice(METRICS, {
          description: 'Metric to optimize. Trials measure it even if `training.metrics` does not list it.',
          form: String(metricName.definitions().metric_name['x-form']),
          aliases: ['name', 'monitor'],
          examples: ['test.accuracy'],
          required: true,
        }),
        goal: s.choice(['minimize', 'maximize'], {
          description: 'Whether larger (maximize) or smaller (minimize) values of the metric are better.',
          aliases: ['mode', 'direction'],
          examples: ['maximize'],
          required: true,
        }),
      },
      {
        description: 'What to optimize. Default: `checkpoint.metric` of the configs.',
        aliases: ['metric', 'target', 'goal'],
        examples: [{ metric: 'test.accuracy', goal: 'maximize' }],
      },
    ),
    pruner: kinded('pruner', prunerSettings, {
      description: 'Which trials to stop before their last epoch. A word, or a mapping with a `kind`.',
      default: 'none',
      aliases: ['scheduler', 'early_stopping', 'pruning'],
      examples: ['asha', { kind: 'asha', min_epochs: 1, reduction_factor: 3 }],
    }),
    budget: s.section(
      {
        trials: s.integer({
          description: 'Maximum number of trials.',
          min: 1,
          max: 1e6,
          defaultText: 'all points of a grid; otherwise no limit' as string | undefined,
          aliases: ['n_trials', 'max_trials', 'count', 'num_trials'],
          examples: [30],
        }),
        time: s.either([seconds, duration], {
          description:
            'Maximum wall time over all processes of the sweep: seconds, or a number with s, m, h or d. Running trials may still reach their next rung.',
          defaultText: 'no limit' as string | undefined,
          aliases: ['timeout', 'max_time', 'seconds', 'duration'],
          examples: ['10m', 600],
        }),
        target: s.number({
          description: "Stop the sweep once a trial's objective is at least this good.",
          min: -1e300,
          max: 1e300,
          defaultText: 'none' as string | undefined,
          aliases: ['goal', 'stop_at'],
          examples: [0.98],
        }),
      },
      {
        description: 'When to stop starting trials: whichever limit is reached first.',
        default: {},
        aliases: ['limits', 'budgets'],
        examples: [{ trials: 30, time: '1h', target: 0.98 }],
      },
    ),
    parallel: s.integer({
      description:
        'Number of trials to run at the same time. It affects the search, since it determines which results are known when a point is chosen. Threads are divided evenly among the trials.',
      min: 1,
      max: 1024,
      default: 1,
      aliases: ['workers', 'concurrency', 'jobs', 'n_jobs'],
      examples: [2],
    }),
    trial_timeout: s.either([seconds, duration], {
      description:
        "Maximum time for a trial's process to reach its next rung: seconds, or a number with s, m, h or d. After it the process counts as hung: it is asked to stop, and killed 10 s later.",
      defaultText: 'never' as string | undefined,
      aliases: ['timeout'],
      examples: ['30m', 1800],
    }),
    retries: s.integer({
      description:
        'Number of times to restart a crashed or hung process, from its checkpoint, before its trial counts as failed.',
      min: 0,
      max: 100,
      default: 1,
      aliases: ['max_retries', 'attempts'],
    }),
    on_trial_error: s.choice(['continue', 'stop'], {
      description:
        'Whether to continue or stop the sweep after a failed trial. A trial whose loss diverged has a result and has not failed.',
      default: 'continue',
      aliases: ['on_error', 'on_failure'],
    }),
  },
  {
    title: 'Sweep',
    description:
      'A cellrun sweep: the config, the parameters to vary, the search method, the objective and the budget. Annotations: x-path marks a path relative to the file that contains it; x-form describes a pattern in words; x-default describes a default that depends on other keys; x-aliases lists names from other tools.',
  },
);

export type GivenParameter = s.TypeOf<typeof parameter>;

export type SweepSettings = Omit<s.TypeOf<typeof sweepFile>, 'method' | 'pruner'> & {
  readonly method: Method;
  readonly pruner: Pruner;
};
