/** The definition of a sweep's `summary.json`. */
import {
  all,
  choice,
  integer,
  list,
  literal,
  named,
  nullable,
  number,
  object,
  type TypeOf,
  text,
} from '../util/schema.js';
import { objective } from './schedule/plan.js';
import { endReason, spread, trialNumber } from './schedule/records.js';
import { point } from './search/space.js';

/** `stopped`: running when the sweep ended, was stopped or was killed. */
export const TRIAL_STATES = [
  'running',
  'stopped',
  'paused',
  'pruned',
  'completed',
  'diverged',
  'failed',
] as const;

export const SWEEP_STATES = ['running', 'completed', 'failed', 'interrupted', 'killed', 'not begun'] as const;

export type TrialState = (typeof TRIAL_STATES)[number];

const count = (description: string) => integer({ description, min: 0 });

const trial = named(
  'summarized_trial',
  object(
    all({
      trial: trialNumber,
      state: choice(TRIAL_STATES, { description: 'State of the trial.' }),
      epochs: count('Trained up to the last measurement, the largest over its seeds.'),
      value: nullable(
        number({ description: 'Mean of the objective over the seeds at the last measurement, if any.' }),
      ),
      spread,
      point,
      runs: list(text({ description: 'A run directory.' }), {
        description: 'Absolute paths of its run directories, in the order of the seeds.',
      }),
    }),
    { description: 'A trial.' },
  ),
);

const baseline = object(
  all({
    name: text({ description: 'Such as majority.' }),
    value: number({ description: 'Its value of the objective, the mean over the seeds.' }),
  }),
  {
    description:
      'The best trivial baseline on the objective, from the runs of the best completed trial. Absent if no trial has completed, or if the objective is a training metric.',
  },
);

const importance = object(
  all({
    name: text({ description: 'The parameter.' }),
    importance: number({ description: 'Its fraction of the total importance.', min: 0, max: 1 }),
  }),
  { description: 'A parameter.' },
);

export const sweepSummary = object(
  {
    ...all({
      version: literal(1, { description: 'Version of this format.' }),
      sweep_id: text({ description: "Name of the sweep's directory." }),
      name: text({ description: 'Name of the sweep.' }),
      status: choice(SWEEP_STATES, {
        description:
          'running: a process is working on it. failed: it ended because a failed trial stopped it, or no trial has a value of the objective. interrupted: stopped and can be resumed. killed: its process ended without recording it.',
      }),
      reason: nullable(endReason),
      directory: text({ description: "Absolute path of the sweep's directory." }),
      objective,
      trials: count('Number of trials started.'),
      states: object(
        all({
          running: count('Running.'),
          stopped: count('Were running when the sweep ended, was stopped or was killed.'),
          paused: count('Waiting at a rung.'),
          pruned: count('Ended before their last epoch.'),
          completed: count('Trained for all epochs.'),
          diverged: count('Loss, gradient or parameters were not finite.'),
          failed: count('Failed after all retries.'),
        }),
        { description: 'Number of trials in each state.' },
      ),
      epochs_trained: count('Epochs trained, summed over all seeds.'),
      duration_s: nullable(
        number({ description: 'Seconds of work; null if the last process did not end normally.', min: 0 }),
      ),
      best: nullable(trial, { description: 'The winner, or the best so far; null if no trial has a value.' }),
      better_earlier: nullable(trial, {
        description:
          'A better value that another trial had after fewer epochs (the best trial is chosen among those with the most epochs); null if there is none.',
      }),
      top: list(trial, { description: 'The five best trials with a value, best first.', maxItems: 5 }),
      importance: nullable(
        list(importance, {
          description:
            'Importance of each parameter; null if fewer than 20 trials, or 10 per parameter, have a value after the same number of epochs.',
        }),
      ),
    }),
    selected_on_test: list(text({ description: 'Such as `the best trial`.' }), {
      description:
        'What was selected by a metric of the test split, which makes its test values optimistic; each item is the subject of a sentence. Absent if nothing was.',
    }),
    baseline,
  },
  {
    title: 'Sweep summary',
    description:
      'summary.json of a sweep: its results. Also the output of `sweep --json` and `sweep status --json`.',
  },
);

export type SweepSummary = TypeOf<typeof sweepSummary>;
export type SweepState = SweepSummary['status'];
export type ObjectiveBaseline = TypeOf<typeof baseline>;
