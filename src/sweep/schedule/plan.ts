/** A sweep with all defaults filled in, independent of the machine: plan.json. */
import * as s from '../../util/schema.js';
import { method } from '../search/index.js';
import { space } from '../search/space.js';
import { prunerSettings } from './pruners.js';

export const objective = s.namedStruct('objective', 'What the sweep optimizes.', {
  metric: s.text('Such as test.accuracy.'),
  goal: s.choice(
    ['minimize', 'maximize'] as const,
    'Whether larger (maximize) or smaller (minimize) values of the metric are better.',
  ),
});

const budget = s.struct('When to stop starting trials; null for no limit.', {
  trials: s.nullable(s.count('Maximum number of trials; a grid has at most its points.', 1)),
  seconds: s.nullable(
    s.number({
      description:
        'Seconds of work, all processes of the sweep together. Running trials finish their segment.',
      above: 0,
    }),
  ),
  target: s.nullable(s.number("Stop the sweep once a trial's objective is at least this good.")),
});

const base = s.struct('A base config.', {
  name: s.text("File name in the sweep's configs folder."),
  file: s.text('As the user named it.'),
  sha256: s.sha256('SHA-256 of the copy, hex. A sweep whose copy was changed is not resumed.'),
  // the copy in the sweep has other lines
  gate_origins: s.optional(
    s.list(
      s.text('FILE:LINE:COL.'),
      "FILE:LINE:COL of each of its gates in the user's files, in order; absent if it has none.",
    ),
  ),
  config_files: s.optional(
    s.list(
      s.text('An absolute path.'),
      'The files that it was read from, absolute, the config itself last; absent if it has no gates.',
    ),
  ),
});

/** The kinds of a setting of a sweep file, with all of their keys. */
function complete<T>({ parts }: s.Shape<T>, description: string): s.Shape<T> {
  const whole = parts.map(({ keys }) => s.struct(String(keys.kind.schema().description), keys));
  return s.union('kind', whole, { description }) as s.Shape<T>;
}

export const seed = s.named('seed', s.integer('Seed of the run.'));

export const plan = s.namedStruct('plan', 'The sweep with all defaults filled in, as in plan.json.', {
  name: s.text('The sweep.'),
  seed: s.integer("Seed of the sweep's own random choices."),
  seeds: s.list(seed, 'Seeds that each point is trained with. The objective is the mean over them.'),
  repeat_best: s.optional(
    s.list(
      seed,
      'Seeds that the best trial is trained with after the search. They are not among `seeds`. Absent: none.',
    ),
  ),
  folds: s.optional(
    s.count('Number of folds; each point is trained once for each. Absent: the configs have no `folds`.', 1),
  ),
  final: s.optional(
    s.literal(true, 'After the folds of the best trial, a run on all data. Absent: there is none.'),
  ),
  space,
  method: complete(method, 'How to choose points.'),
  pruner: complete(prunerSettings, 'Which trials to stop before their last epoch.'),
  objective,
  budget,
  epochs: s.count('Epochs of a trial that is not pruned.', 1),
  // part of the plan, since it determines which results are known when a point is chosen
  parallel: s.count('Number of trials to run at the same time.', 1),
  trial_timeout: s.nullable(
    s.number({
      description: 'Seconds after which a process that has not ended counts as hung; null: never.',
      above: 0,
    }),
  ),
  retries: s.count('Number of times to restart a crashed or hung process.'),
  on_trial_error: s.choice(
    ['continue', 'stop'] as const,
    'Whether to continue or stop the sweep after a failed trial.',
  ),
  bases: s.list(base, 'The base configs.'),
});

/** plan.json of a sweep. */
export const sweepPlan = s.document(
  'Sweep plan',
  'plan.json of a sweep: the sweep with all defaults filled in.',
  plan.keys,
);

export type SweepPlan = s.TypeOf<typeof plan>;
export type Objective = s.TypeOf<typeof objective>;
export type Base = s.TypeOf<typeof base>;

/** What distinguishes the runs of a trial: the seed, and the fold if there are folds. */
export interface Replicate {
  readonly seed: number;
  /** From 1; 0 is the final model, which is trained on all data. */
  readonly fold?: number;
}

export function replicatesOf(
  { folds }: Pick<SweepPlan, 'folds'>,
  seeds: readonly number[],
): readonly Replicate[] {
  if (folds === undefined) return seeds.map(seed => ({ seed }));
  return seeds.flatMap(seed => Array.from({ length: folds }, (_, i) => ({ seed, fold: i + 1 })));
}

/** `seed 3`, or `fold 2` */
export function replicateWords({ seed, fold }: Replicate): string {
  if (fold === 0) return 'all data';
  return fold === undefined ? `seed ${seed}` : `fold ${fold}`;
}

/** Minimize a value times this sign. */
export function signOf({ goal }: Pick<Objective, 'goal'>): 1 | -1 {
  return goal === 'maximize' ? -1 : 1;
}
