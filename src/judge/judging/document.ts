/** What `review --json` prints. */

import { gateFields, STATUSES, verdict } from '../../run/events.js';
import type { Json } from '../../run/json.js';
import { backendFields, environment } from '../../run/manifest.js';
import { best, bySplit, type SummaryFile } from '../../run/summary.js';
import { SWEEP_STATES } from '../../sweep/results.js';
import * as s from '../../util/schema.js';
import { moved } from '../deciding.js';

const gates = (description: string) =>
  s.list(s.namedStruct('gate', 'A gate with its verdict, as in summary.json.', gateFields), description);

const warning = s.struct('A warning.', {
  code: s.text('Stable identifier.'),
  message: s.text('One sentence.'),
  step: s.nullable(s.integer('The step that it is about.')),
});

/** What is recorded in the files of a run. */
const facts = {
  directory: s.text('The run directory, absolute.'),
  run_id: s.text('Its name.'),
  name: s.text('Name of the experiment.'),
  state: s.choice([...STATUSES, 'running', 'killed'], 'How the run ended; running or killed if it has not.'),
  message: s.nullable(s.text("The run's error message; null if there is none.")),
  seed: s.nullable(s.integer('Its seed.')),
  fold: s.optional(s.count('The fold that it tests; absent if its test split is no fold.', 1)),
  config_hash: s.nullable(s.text('SHA-256 of the resolved config.')),
  config_files: s.list(
    s.text({}),
    'The config and the files that it extends, as absolute paths on the machine of the run; the config is the last.',
  ),
  started: s.nullable(s.text('When it started: ISO 8601, UTC.')),
  backend: s.nullable(
    s.struct('What executed the kernels; null if the run did not record it.', {
      ...backendFields,
      width: s.optional(backendFields.width),
    }),
  ),
  machine: s.nullable(environment.machine),
  versions: s.nullable(environment.versions),
  git: environment.git,
  steps: s.nullable(s.integer('Completed optimizer steps.')),
  epochs: s.nullable(s.integer('Completed epochs.')),
  duration_s: s.nullable(s.number('Seconds from start to end, over all its processes.')),
  metrics: s.nullable(bySplit('Final values by split.')),
  ending: s.nullable(
    s.text(
      'A sentence if training stopped early or restored the weights of an earlier step; otherwise null.',
    ),
  ),
  cautions: s.list(
    s.text({}),
    'Cautions about the result, one sentence each: selected by the test split, no better than a trivial baseline, constant outputs.',
  ),
  best,
  performance: s.struct('Performance figures.', {
    ms_per_step: s.nullable(s.number('Median training step in milliseconds.')),
    step_ratio: s.nullable(
      s.number('That step over the time of the calibration kernel in the same process.'),
    ),
    peak_rss_mb: s.nullable(s.number('Peak resident memory, MiB.')),
  }),
  warnings: s.struct('Warnings in the log.', {
    count: s.count('All of them.'),
    first: s.list(warning, 'The first of them.'),
  }),
  damaged_lines: s.count('Lines of the log that are not events.'),
  resumes: s.count('Number of times it was resumed.'),
};

const runReview = s.struct('A run, as recorded in its files, and its verdicts.', {
  ...facts,
  not_judged: s.nullable(
    s.text(
      'Why the run is not judged: its sweep pruned it, or chose another trial; its checks and gates are then inconclusive. null if it is judged.',
    ),
  ),
  completed: s.struct('The first check.', {
    verdict,
    reason: s.nullable(s.text('Why it did not complete.')),
  }),
  gates: gates('The gates of its config and of the command line, without those over seeds or folds.'),
});

const damagedRun = s.struct('A run with a damaged or unreadable file.', {
  directory: s.text('The run directory, absolute.'),
  run_id: s.text('Its name.'),
  name: s.text("The directory that contains it: the experiment's."),
  message: s.text('What is wrong, with file and place.'),
});

const metricVerdict = s.struct('A metric against the baseline.', {
  metric: s.text('Such as test.accuracy.'),
  verdict,
  reason: s.text('The reason for the verdict.'),
  value: s.perhapsMeasured('Mean over the runs; null if unknown.'),
  reference: s.number("The baseline's mean, or the value of the trivial baseline."),
  spread: s.nullable(s.number("The baseline's sample standard deviation; null for a single run.")),
  count: s.count('Runs of the baseline.', 1),
  limit: s.optional(s.number('The worst value that passes, if known.')),
  p: s.optional(
    s.number('Probability of a value this bad or worse if nothing changed; present if noise was requested.'),
  ),
});

const comparison = s.struct('The runs compared with a baseline, if one was given.', {
  file: s.text('The baseline, as named.'),
  moved: s.list(moved, 'What has changed since.'),
  not_pinned: s.list(
    s.choice(['data'], {}),
    'What the baseline does not record and may therefore have changed: data drawn from the seed.',
  ),
  metrics: s.list(metricVerdict, 'The metrics of the test split.'),
});

const group = s.struct('Runs that differ only in their seed, or in their fold.', {
  name: s.text('Name of the experiment.'),
  distinct: s.mapOf(
    s.anything<Json>('The value of the key.'),
    'The keys and values in which its config differs from other groups of the same name.',
  ),
  left_out: s.list(
    s.struct('A run.', { run_id: s.text('Its id.'), reason: s.text('Which run counts instead.') }),
    'Runs that do not count because a newer one has the same seed, or because their sweep chose the best trial for their value and trained it with new seeds.',
  ),
  runs: s.list(s.text({}), 'Ids of the runs that count.'),
  seeds: s.list(s.nullable(s.integer({})), 'Their seeds.'),
  folds: s.optional(s.list(s.count('A fold.', 1), 'Their folds; absent if their test splits are no folds.')),
  gates: gates('Gates over seeds or folds.'),
  comparison: s.optional(comparison),
});

const sweepReview = s.struct('A sweep.', {
  directory: s.text('Its directory, absolute.'),
  name: s.text('Its name.'),
  state: s.choice(
    [...SWEEP_STATES, 'damaged'],
    'How the sweep ended; running, killed or not begun if it has not.',
  ),
  message: s.nullable(s.text('Why it does not count as completed; null if it does.')),
});

export const review = s.document('Review', 'Output of `review --json`: runs judged from their files.', {
  version: s.literal(1, 'Version of this format.'),
  verdict: s.choice(
    ['passed', 'failed', 'inconclusive', 'no gate'],
    'The worst of all verdicts; `no gate` if every run completed and no gate or baseline judged any of them.',
  ),
  exit_code: s.choice(
    [0, 3, 5],
    "The program's exit code: 5 if a run or a sweep is damaged, else 0 if everything passed or there is no gate, else 3.",
  ),
  runs: s.list(runReview, 'In the order given.'),
  damaged: s.list(damagedRun, 'The runs that could not be read and are not judged.'),
  groups: s.list(group, 'The judged runs, grouped by configs that differ only in the seed.'),
  sweeps: s.list(sweepReview, 'The sweeps whose runs are reviewed.'),
  pinned: s.nullable(s.text('The baseline that was written.')),
});

export type Review = s.TypeOf<typeof review>;
export type RunReview = s.TypeOf<typeof runReview>;
export type RunFacts = Omit<RunReview, 'not_judged' | 'completed' | 'gates'>;
export type GroupReview = s.TypeOf<typeof group>;
export type MetricVerdict = s.TypeOf<typeof metricVerdict>;
/** Of runs with a baseline. */
export type Comparison = s.TypeOf<typeof comparison>;
export type SweepReview = s.TypeOf<typeof sweepReview>;
export type DamagedRun = s.TypeOf<typeof damagedRun>;

/** As parsed from `--json`: metrics that are not finite are null, with their names beside them. */
export type ReviewFile = Omit<Review, 'runs'> & {
  readonly runs: readonly (Omit<RunReview, 'metrics'> & {
    readonly metrics: SummaryFile['metrics'] | null;
  })[];
};
