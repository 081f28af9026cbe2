/** A sweep with all defaults filled in, independent of the machine: plan.json. */
import {
  choice,
  integer,
  list,
  named,
  nullable,
  number,
  optional,
  type Shape,
  sha256,
  struct,
  type TypeOf,
  text,
  union,
} from '../../util/schema.js';
import { method } from '../search/index.js';
import { space } from '../search/space.js';
import { prunerSettings } from './pruners.js';

export const objective = named(
  'objective',
  struct(
    {
      metric: text('Such as test.accuracy.'),
      goal: choice(
        ['minimize', 'maximize'] as const,
        'Whether larger (maximize) or smaller (minimize) values of the metric are better.',
      ),
    },
    'What the sweep optimizes.',
  ),
);

const budget = struct(
  {
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
    target: nullable(number("Stop the sweep once a trial's objective is at least this good.")),
  },
  'When to stop starting trials; null for no limit.',
);

const base = struct(
  {
    name: text("File name in the sweep's configs folder."),
    file: text('As the user named it.'),
    sha256: sha256('SHA-256 of the copy, hex. A sweep whose copy was changed is not resumed.'),
    // the copy in the sweep has other lines
    gate_origins: optional(
      list(
        text('FILE:LINE:COL.'),
        "FILE:LINE:COL of each of its gates in the user's files, in order; absent if it has none.",
      ),
    ),
    config_files: optional(
      list(
        text('An absolute path.'),
        'The files that it was read from, absolute, the config itself last; absent if it has no gates.',
      ),
    ),
  },
  'A base config.',
);

/** The kinds of a setting of a sweep file, with all of their keys. */
function complete<T>({ parts }: Shape<T>, description: string): Shape<T> {
  const whole = parts.map(({ keys }) => struct(keys, String(keys.kind.schema.description)));
  return union('kind', whole, { description }) as Shape<T>;
}

export const seed = named('seed', integer('Seed of the run.'));

export const plan = named(
  'plan',
  struct(
    {
      name: text('The sweep.'),
      seed: integer("Seed of the sweep's own random choices."),
      seeds: list(seed, 'Seeds that each point is trained with. The objective is the mean over them.'),
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
      on_trial_error: choice(
        ['continue', 'stop'] as const,
        'Whether to continue or stop the sweep after a failed trial.',
      ),
      bases: list(base, 'The base configs.'),
    },
    'The sweep with all defaults filled in, as in plan.json.',
  ),
);

export type SweepPlan = TypeOf<typeof plan>;
export type Objective = TypeOf<typeof objective>;
export type Base = TypeOf<typeof base>;

/** Minimize a value times this sign. */
export function signOf({ goal }: Pick<Objective, 'goal'>): 1 | -1 {
  return goal === 'maximize' ? -1 : 1;
}
