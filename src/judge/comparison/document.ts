/** What `compare --json` prints. */

import type { Json } from '../../run/json.js';
import {
  anything,
  boolean,
  choice,
  count,
  EFFECTS,
  type Effect,
  integer,
  list,
  literal,
  nullable,
  number,
  struct,
  type TypeOf,
  text,
} from '../../util/schema.js';

const sideRun = struct(
  {
    run_id: text('Name of the run directory.'),
    directory: text('The run directory, absolute.'),
    seed: nullable(integer('Its seed; null if unknown.')),
    left_out: nullable(text('Why it does not count; null if it does.')),
  },
  'A run.',
);

const side = struct(
  {
    id: text({ description: 'A, B and so on: its id in the rest of the document.', pattern: '^[A-Z]+$' }),
    name: text('The argument, with the values that distinguish the side if the argument has several.'),
    seeds: list(integer('A seed.'), 'Seeds of the runs that count, ascending.'),
    runs: list(sideRun, 'All its runs, by seed.'),
  },
  'A side.',
);

const difference = {
  values: list(
    list(
      anything<Json>('As in the config or the manifest.'),
      "Empty if it is not set, several values if the side's runs differ.",
    ),
    'The values of each side, in the order of the sides.',
  ),
  differs: boolean('Whether the sides differ in it.'),
};

const configDifference = struct(
  {
    key: text('Key path such as optimizer.learning_rate.'),
    ...difference,
    changes: list(
      choice(
        Object.keys(EFFECTS) as Effect[],
        `${Object.entries(EFFECTS)
          .map(effect => effect.join(': '))
          .join('; ')}.`,
      ),
      'What a change of it affects; empty if it does not affect results.',
    ),
  },
  'A key.',
);

const factDifference = struct(
  {
    key: text('Such as versions.cellrun, or data and a file name.'),
    ...difference,
    changes_results: boolean('Whether it can change results.'),
  },
  'A fact.',
);

const sideId = text('Its id.');
const metricOfSide = struct(
  {
    side: sideId,
    n: count('Values that count.'),
    mean: nullable(number('Their mean; null if there are none.')),
    spread: nullable(
      number({
        description: 'Their sample standard deviation; null if there are fewer than two.',
        min: 0,
      }),
    ),
    best: nullable(number("The best of them, by the metric's direction.")),
    values: list(
      struct(
        { seed: integer("The run's seed."), run_id: text('The run.'), value: number('Its final value.') },
        'A value.',
      ),
      'By seed.',
    ),
    left_out: list(
      struct({ run_id: text('The run.'), reason: text('Why.') }, 'A run.'),
      'Runs that count but have no finite value here.',
    ),
  },
  'The results of a side.',
);

const probability = (description: string) => number({ description, above: 0, max: 1 });
const test = struct(
  {
    name: choice(
      ['wilcoxon_signed_rank', 'mann_whitney'],
      'wilcoxon_signed_rank: over pairs (Wilcoxon, 1945; zeros as in Pratt, 1959); mann_whitney: without pairs (Mann and Whitney, 1947).',
    ),
    p: probability('Exact, two-sided.'),
    p_adjusted: probability('Corrected for the number of sides compared with the first (Holm, 1979).'),
    p_least: probability('Smallest p possible with this number of values.'),
  },
  'Whether the difference is more than chance; null if a side has no value.',
);

const sideComparison = struct(
  {
    side: sideId,
    against: text("The first side's id."),
    paired: boolean(
      'Whether values were paired by seed, which requires at least half the seeds of the smaller side to be shared.',
    ),
    n: count('Number of pairs; number of values of both sides if they are not paired.'),
    unpaired: count('Values without a partner if the others are paired.'),
    difference: nullable(
      number('Mean of the differences, side minus first; difference of the means if values are not paired.'),
    ),
    interval: nullable(
      struct(
        { low: number('Its lower end.'), high: number('Its upper end.') },
        '95 % interval of that difference: BCa bootstrap with 10,000 resamples (Efron and Tibshirani, 1993); null of fewer than five values.',
      ),
    ),
    test: nullable(test),
    verdict: choice(
      ['better', 'worse', 'not distinguishable', 'cannot tell', 'identical', 'no value'],
      "Of the side, by the metric's direction, where p_adjusted is at most 0.05; identical: the same value with every seed; no value: one of the sides has none that counts.",
    ),
    reason: nullable(text('What is missing for a full verdict; null if nothing is.')),
  },
  'A side against the first.',
);

const metricComparison = struct(
  {
    metric: text('Such as test.accuracy.'),
    larger_is_better: boolean('Its direction.'),
    sides: list(metricOfSide, 'One for each side.'),
    comparisons: list(sideComparison, 'One for each side but the first.'),
  },
  'A metric.',
);

const performance = struct(
  {
    side: sideId,
    ms_per_step: nullable(number('Median training step, milliseconds.')),
    duration_s: nullable(number('Seconds from start to end.')),
    peak_rss_mb: nullable(number('Peak resident memory, MiB.')),
    machines: list(
      text('A machine.'),
      'Processor or GPU, cores, backend, threads; several where the runs differ.',
    ),
  },
  "A side's.",
);

export const comparison = struct(
  {
    version: literal(1, 'Version of this format.'),
    sides: list(
      side,
      'Replicates: runs whose configs differ only in the seed and in keys that do not affect results. The other sides are compared with the first.',
    ),
    config: list(configDifference, 'Config keys whose values differ between the sides; all keys with --all.'),
    facts: list(
      factDifference,
      'Other differences: digests of the data, versions, code, backend, machine; all with --all.',
    ),
    metrics: list(metricComparison, 'Final metrics.'),
    performance: list(performance, 'Means over the runs that count; for information, not compared.'),
    left_out: list(
      struct({ run: text('Its path.'), reason: text('Why.') }, 'A run.'),
      'Runs that belong to no side because they cannot be read or are empty.',
    ),
    notes: list(text('A sentence.'), 'What a reader should know.'),
  },
  {
    title: 'Comparison',
    description:
      'Output of `compare A B --json`: what differs between runs, their results, and whether the differences are more than chance. Each side is compared with the first.',
  },
);

export type Comparison = TypeOf<typeof comparison>;
export type SideInfo = TypeOf<typeof side>;
export type ConfigDifference = TypeOf<typeof configDifference>;
export type FactDifference = TypeOf<typeof factDifference>;
export type MetricComparison = TypeOf<typeof metricComparison>;
export type MetricOfSide = TypeOf<typeof metricOfSide>;
export type SideComparison = TypeOf<typeof sideComparison>;
export type ComparisonVerdict = SideComparison['verdict'];
export type TestResult = TypeOf<typeof test>;
export type Performance = TypeOf<typeof performance>;
