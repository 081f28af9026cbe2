/** What `compare --json` prints. */

import type { Json } from '../../run/json.js';
import * as s from '../../util/schema.js';

const sideRun = s.struct('A run.', {
  run_id: s.text('Name of the run directory.'),
  directory: s.text('The run directory, absolute.'),
  seed: s.nullable(s.integer('Its seed; null if unknown.')),
  fold: s.optional(s.count('The fold that it tests; absent if its test split is no fold.', 1)),
  left_out: s.nullable(s.text('Why it does not count; null if it does.')),
});

const side = s.struct('A side.', {
  id: s.text({ description: 'A, B and so on: its id in the rest of the document.', pattern: '^[A-Z]+$' }),
  name: s.text('The argument, with the values that distinguish the side if the argument has several.'),
  seeds: s.list(s.integer('A seed.'), 'Seeds of the runs that count, ascending.'),
  folds: s.optional(
    s.list(s.count('A fold.', 1), 'Folds of the runs that count; absent if their test splits are no folds.'),
  ),
  runs: s.list(sideRun, 'All its runs, by seed or fold.'),
});

const difference = {
  values: s.list(
    s.list(
      s.anything<Json>('As in the config or the manifest.'),
      "Empty if it is not set, several values if the side's runs differ.",
    ),
    'The values of each side, in the order of the sides.',
  ),
  differs: s.boolean('Whether the sides differ in it.'),
};

const configDifference = s.struct('A key.', {
  key: s.text('Key path such as optimizer.learning_rate.'),
  ...difference,
  changes: s.list(
    s.choice(
      Object.keys(s.EFFECTS) as s.Effect[],
      `${Object.entries(s.EFFECTS)
        .map(effect => effect.join(': '))
        .join('; ')}.`,
    ),
    'What a change of it affects; empty if it does not affect results.',
  ),
});

const factDifference = s.struct('A fact.', {
  key: s.text('Such as versions.cellrun, or data and a file name.'),
  ...difference,
  changes_results: s.boolean('Whether it can change results.'),
});

const sideId = s.text('Its id.');
const metricOfSide = s.struct('The results of a side.', {
  side: sideId,
  n: s.count('Values that count.'),
  mean: s.nullable(s.number('Their mean; null if there are none.')),
  spread: s.nullable(s.amount('Their sample standard deviation; null if there are fewer than two.')),
  best: s.nullable(s.number("The best of them, by the metric's direction.")),
  values: s.list(
    s.struct('A value.', {
      seed: s.integer("The run's seed."),
      fold: s.optional(s.count('Its fold.', 1)),
      run_id: s.text('The run.'),
      value: s.number('Its final value.'),
    }),
    'By seed or fold.',
  ),
  left_out: s.list(
    s.struct('A run.', { run_id: s.text('The run.'), reason: s.text('Why.') }),
    'Runs that count but have no finite value here.',
  ),
});

const probability = (description: string) => s.number({ description, above: 0, max: 1 });
const test = s.struct('Whether the difference is significant; null if a side has no value.', {
  name: s.choice(
    ['wilcoxon_signed_rank', 'mann_whitney', 'corrected_t'],
    'corrected_t: over pairs of the same folds (Nadeau and Bengio, 2003); wilcoxon_signed_rank: over pairs (Wilcoxon, 1945; zeros as in Pratt, 1959); mann_whitney: without pairs (Mann and Whitney, 1947).',
  ),
  p: probability('Two-sided; exact except for corrected_t.'),
  p_adjusted: probability('Corrected for the number of sides compared with the first (Holm, 1979).'),
  p_least: s.number({
    description: 'Smallest p possible with this number of values; 0 for corrected_t.',
    min: 0,
    max: 1,
  }),
});

const sideComparison = s.struct('A side against the first.', {
  side: sideId,
  against: s.text("The first side's id."),
  paired: s.boolean(
    'Whether values were paired: by fold, if both sides have the same folds; or by seed, which requires at least half the seeds of the smaller side to be shared.',
  ),
  n: s.count('Number of pairs; number of values of both sides if they are not paired.'),
  unpaired: s.count('Values without a partner if the others are paired.'),
  difference: s.nullable(
    s.number('Mean of the differences, side minus first; difference of the means if values are not paired.'),
  ),
  interval: s.nullable(
    s.struct(
      '95 % interval of that difference: BCa bootstrap with 10,000 resamples (Efron and Tibshirani, 1993); null for fewer than five values. Of folds: that of corrected_t.',
      { low: s.number('Its lower end.'), high: s.number('Its upper end.') },
    ),
  ),
  test: s.nullable(test),
  verdict: s.choice(
    ['better', 'worse', 'not distinguishable', 'cannot tell', 'identical', 'no value'],
    "Of the side, by the metric's direction, where p_adjusted is at most 0.05; identical: the same value with every seed; no value: one of the sides has none that counts.",
  ),
  reason: s.nullable(s.text('Why there is no full verdict; null if there is one.')),
});

const metricComparison = s.struct('A metric.', {
  metric: s.text('Such as test.accuracy.'),
  larger_is_better: s.boolean('Its direction.'),
  sides: s.list(metricOfSide, 'One for each side.'),
  comparisons: s.list(sideComparison, 'One for each side but the first.'),
});

const performance = s.struct("A side's.", {
  side: sideId,
  ms_per_step: s.nullable(s.number('Median training step, milliseconds.')),
  duration_s: s.nullable(s.number('Seconds from start to end.')),
  peak_rss_mb: s.nullable(s.number('Peak resident memory, MiB.')),
  machines: s.list(
    s.text('A machine.'),
    'Processor or GPU, cores, backend, threads; several if the runs differ.',
  ),
});

export const comparison = s.document(
  'Comparison',
  'Output of `compare A B --json`: what differs between runs, their results, and whether the differences are significant. Each side is compared with the first.',
  {
    version: s.literal(1, 'Version of this format.'),
    sides: s.list(
      side,
      'Replicates: runs whose configs differ only in the seed and in keys that do not affect results. The other sides are compared with the first.',
    ),
    config: s.list(
      configDifference,
      'Config keys whose values differ between the sides; all keys with --all.',
    ),
    facts: s.list(
      factDifference,
      'Other differences: digests of the data, versions, code, backend, machine; all with --all.',
    ),
    metrics: s.list(metricComparison, 'Final metrics.'),
    performance: s.list(performance, 'Means over the runs that count; for information, not compared.'),
    left_out: s.list(
      s.struct('A run.', { run: s.text('Its path.'), reason: s.text('Why.') }),
      'Runs that belong to no side because they cannot be read or are empty.',
    ),
    notes: s.list(s.text('A sentence.'), 'Remarks about the comparison.'),
  },
);

export type Comparison = s.TypeOf<typeof comparison>;
export type SideInfo = s.TypeOf<typeof side>;
export type ConfigDifference = s.TypeOf<typeof configDifference>;
export type FactDifference = s.TypeOf<typeof factDifference>;
export type MetricComparison = s.TypeOf<typeof metricComparison>;
export type MetricOfSide = s.TypeOf<typeof metricOfSide>;
export type SideComparison = s.TypeOf<typeof sideComparison>;
export type ComparisonVerdict = SideComparison['verdict'];
export type TestResult = s.TypeOf<typeof test>;
export type Performance = s.TypeOf<typeof performance>;
