/** What `review --json` prints. */

import { gateFields, STATUSES, verdict } from '../../run/events.js';
import type { Json } from '../../run/json.js';
import { backendFields, environment } from '../../run/manifest.js';
import { best, bySplit, type SummaryFile } from '../../run/summary.js';
import { SWEEP_STATES } from '../../sweep/index.js';
import {
  anything,
  choice,
  count,
  integer,
  list,
  literal,
  mapOf,
  named,
  nullable,
  number,
  optional,
  perhapsMeasured,
  struct,
  type TypeOf,
  text,
} from '../../util/schema.js';
import { moved } from '../deciding.js';

const gates = (description: string) =>
  list(named('gate', struct(gateFields, 'A gate with its verdict, as in summary.json.')), description);

const warning = struct(
  {
    code: text('Stable identifier.'),
    message: text('One sentence.'),
    step: nullable(integer('The step that it is about.')),
  },
  'A warning.',
);

/** What is recorded in the files of a run. */
const facts = {
  directory: text('The run directory, absolute.'),
  run_id: text('Its name.'),
  name: text('Name of the experiment.'),
  state: choice([...STATUSES, 'running', 'killed'], 'How the run ended; running or killed if it has not.'),
  message: nullable(text("The run's error message; null if there is none.")),
  seed: nullable(integer('Its seed.')),
  config_hash: nullable(text('SHA-256 of the resolved config.')),
  config_files: list(
    text({}),
    'The config and the files that it extends, as absolute paths on the machine of the run; the config is the last.',
  ),
  started: nullable(text('When it started: ISO 8601, UTC.')),
  backend: nullable(
    struct(
      { ...backendFields, width: optional(backendFields.width) },
      'What executed the kernels; null if the run did not record it.',
    ),
  ),
  machine: nullable(environment.machine),
  versions: nullable(environment.versions),
  git: environment.git,
  steps: nullable(integer('Completed optimizer steps.')),
  epochs: nullable(integer('Completed epochs.')),
  duration_s: nullable(number('Seconds from start to end, over all its processes.')),
  metrics: nullable(bySplit('Final values by split.')),
  ending: nullable(
    text('A sentence if training stopped early or restored the weights of an earlier step; otherwise null.'),
  ),
  cautions: list(
    text({}),
    'Cautions about the result, one sentence each: selected by the test split, no better than a trivial baseline, constant outputs.',
  ),
  best,
  performance: struct(
    {
      ms_per_step: nullable(number('Median training step in milliseconds.')),
      step_ratio: nullable(number('That step over the time of the calibration kernel in the same process.')),
      peak_rss_mb: nullable(number('Peak resident memory, MiB.')),
    },
    'Performance figures.',
  ),
  warnings: struct(
    { count: count('All of them.'), first: list(warning, 'The first of them.') },
    'Warnings in the log.',
  ),
  damaged_lines: count('Lines of the log that are not events.'),
  resumes: count('Number of times it was resumed.'),
};

const runReview = struct(
  {
    ...facts,
    not_judged: nullable(
      text(
        'Why the run is not judged, such as pruned by its sweep after 3 of 9 epochs; its checks and gates are then inconclusive. null if it is judged.',
      ),
    ),
    completed: struct({ verdict, reason: nullable(text('Why it did not complete.')) }, 'The first check.'),
    gates: gates('The gates of its config and of the command line, without those over seeds.'),
  },
  'A run, as recorded in its files, and its verdicts.',
);

const damagedRun = struct(
  {
    directory: text('The run directory, absolute.'),
    run_id: text('Its name.'),
    name: text("The directory that contains it: the experiment's."),
    message: text('What is wrong, with file and place.'),
  },
  'A run with a damaged or unreadable file.',
);

const metricVerdict = struct(
  {
    metric: text('Such as test.accuracy.'),
    verdict,
    reason: text('How the verdict came about.'),
    value: perhapsMeasured('Mean over the runs; null if unknown.'),
    reference: number("The baseline's mean, or the value of the trivial baseline."),
    spread: nullable(number("The baseline's sample standard deviation; null for a single run.")),
    count: count('Runs of the baseline.', 1),
    limit: optional(number('The worst value that passes, if known.')),
    p: optional(
      number('Probability of a value this bad or worse if nothing changed; present if noise was requested.'),
    ),
  },
  'A metric against the baseline.',
);

const comparison = struct(
  {
    file: text('The baseline, as named.'),
    moved: list(moved, 'What has changed since.'),
    not_pinned: list(
      choice(['data'], {}),
      'What the baseline does not record and may therefore have changed: data drawn from the seed.',
    ),
    metrics: list(metricVerdict, 'The metrics of the test split.'),
  },
  'The runs compared with a baseline, if one was given.',
);

const group = struct(
  {
    name: text('Name of the experiment.'),
    distinct: mapOf(
      anything<Json>('The value of the key.'),
      'The keys and values in which its config differs from other groups of the same name.',
    ),
    left_out: list(
      struct({ run_id: text('Its id.'), reason: text('Which run counts instead.') }, 'A run.'),
      'Runs that do not count because a newer one has the same seed.',
    ),
    runs: list(text({}), 'Ids of the runs that count.'),
    seeds: list(nullable(integer({})), 'Their seeds.'),
    gates: gates('Gates over seeds.'),
    comparison: optional(comparison),
  },
  'Runs that differ only in their seed.',
);

const sweepReview = struct(
  {
    directory: text('Its directory, absolute.'),
    name: text('Its name.'),
    state: choice(
      [...SWEEP_STATES, 'damaged'],
      'How the sweep ended; running, killed or not begun if it has not.',
    ),
    message: nullable(text('Why it does not count as completed; null if it does.')),
  },
  'A sweep.',
);

export const review = struct(
  {
    version: literal(1, 'Version of this format.'),
    verdict: choice(
      ['passed', 'failed', 'inconclusive', 'no gate'],
      'The worst of all verdicts; `no gate` if every run completed and no gate or baseline judged any of them.',
    ),
    exit_code: choice(
      [0, 3, 5],
      "The program's exit code: 5 if a run or a sweep is damaged, else 0 if everything passed or there is no gate, else 3.",
    ),
    runs: list(runReview, 'In the order given.'),
    damaged: list(damagedRun, 'The runs that could not be read and are not judged.'),
    groups: list(group, 'The judged runs, grouped by configs that differ only in the seed.'),
    sweeps: list(sweepReview, 'The sweeps whose runs are reviewed.'),
    pinned: nullable(text('The baseline that was written.')),
  },
  { title: 'Review', description: 'Output of `review --json`: runs judged from their files.' },
);

export type Review = TypeOf<typeof review>;
export type RunReview = TypeOf<typeof runReview>;
export type RunFacts = Omit<RunReview, 'not_judged' | 'completed' | 'gates'>;
export type GroupReview = TypeOf<typeof group>;
export type MetricVerdict = TypeOf<typeof metricVerdict>;
/** Of runs with a baseline. */
export type Comparison = TypeOf<typeof comparison>;
export type SweepReview = TypeOf<typeof sweepReview>;
export type DamagedRun = TypeOf<typeof damagedRun>;

/** As parsed from `--json`: metrics that are not finite are null, with their names beside them. */
export type ReviewFile = Omit<Review, 'runs'> & {
  readonly runs: readonly (Omit<RunReview, 'metrics'> & {
    readonly metrics: SummaryFile['metrics'] | null;
  })[];
};
