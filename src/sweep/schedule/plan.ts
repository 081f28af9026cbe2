/** A sweep with all defaults filled in, independent of the machine: plan.json. */
import {
  all,
  choice,
  integer,
  list,
  named,
  nullable,
  number,
  object,
  type Shape,
  type TypeOf,
  text,
  union,
} from '../../util/schema.js';
import { method } from '../search/index.js';
import { space } from '../search/space.js';
import { prunerSettings } from './pruners.js';

export const objective = named(
  'objective',
  object(
    all({
      metric: text({ description: 'Such as test.accuracy.' }),
      goal: choice(['minimize', 'maximize'] as const, {
        description: 'Whether larger (maximize) or smaller (minimize) values of the metric are better.',
      }),
    }),
    { description: 'What the sweep optimizes.' },
  ),
);

const budget = object(
  all({
    trials: nullable(
      integer({ description: 'Maximum number of trials; a grid has at most its points.', min: 1 }),
    ),
    seconds: nullable(
      number({
        description:
          'Seconds of work, all processes of the sweep together. Running trials finish their segment.',
        above: 0,
      }),
    ),
    target: nullable(
      number({ description: "Stop the sweep once a trial's objective is at least this good." }),
    ),
  }),
  { description: 'When to stop starting trials; null for no limit.' },
);

const base = object(
  {
    ...all({
      name: text({ description: "File name in the sweep's configs folder." }),
      file: text({ description: 'As the user named it.' }),
      sha256: text({
        description: 'SHA-256 of the copy, hex. A sweep whose copy was changed is not resumed.',
        pattern: '^[0-9a-f]{64}$',
      }),
    }),
    // the copy in the sweep has other lines
    gate_origins: list(text({ description: 'FILE:LINE:COL.' }), {
      description: "FILE:LINE:COL of each of its gates in the user's files, in order; absent if it has none.",
    }),
    config_files: list(text({ description: 'An absolute path.' }), {
      description:
        'The files that it was read from, absolute, the config itself last; absent if it has no gates.',
    }),
  },
  { description: 'A base config.' },
);

/** The kinds of a setting of a sweep file, with all of their keys. */
function complete<T>({ parts }: Shape<T>, description: string): Shape<T> {
  const whole = parts.map(({ keys }) =>
    object(all(keys), { description: String(keys.kind.schema.description) }),
  );
  return union('kind', whole, { description }) as Shape<T>;
}

export const seed = named('seed', integer({ description: 'Seed of the run.' }));

export const plan = named(
  'plan',
  object(
    all({
      name: text({ description: 'The sweep.' }),
      seed: integer({ description: "Seed of the sweep's own random choices." }),
      seeds: list(seed, {
        description: 'Seeds that each point is trained with. The objective is the mean over them.',
      }),
      space,
      method: complete(method, 'How to choose points.'),
      pruner: complete(prunerSettings, 'Which trials to stop before their last epoch.'),
      objective,
      budget,
      epochs: integer({ description: 'Epochs of a trial that is not pruned.', min: 1 }),
      // part of the plan, since it determines which results are known when a point is chosen
      parallel: integer({ description: 'Number of trials to run at the same time.', min: 1 }),
      trial_timeout: nullable(
        number({
          description: 'Seconds after which a process that has not ended counts as hung; null: never.',
          above: 0,
        }),
      ),
      retries: integer({ description: 'Number of times to restart a crashed or hung process.', min: 0 }),
      on_trial_error: choice(['continue', 'stop'] as const, {
        description: 'Whether to continue or stop the sweep after a failed trial.',
      }),
      bases: list(base, { description: 'The base configs.' }),
    }),
    { description: 'The sweep with all defaults filled in, as in plan.json.' },
  ),
);

export type SweepPlan = TypeOf<typeof plan>;
export type Objective = TypeOf<typeof objective>;
export type Base = TypeOf<typeof base>;

/** Minimize a value times this sign. */
export function signOf({ goal }: Pick<Objective, 'goal'>): 1 | -1 {
  return goal === 'maximize' ? -1 : 1;
}
