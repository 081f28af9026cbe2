/**
 * A baseline: results of runs of one config in a small file, which is committed and which gates
 * compare with. Written by `review --pin`.
 */
import { momentsOf } from '../util/numbers.js';
import * as s from '../util/schema.js';
import { readText } from './files.js';
import { type Json, parseValid } from './json.js';
import { repository } from './manifest.js';

const metric = s.struct('A metric.', {
  count: s.count('Runs, one for each seed.', 1),
  mean: s.number('Their mean.'),
  spread: s.nullable(s.amount('Sample standard deviation, with n - 1; null for a single run.')),
  by_seed: s.mapOf(s.number({}), { description: 'The value of each run, by its seed.', minKeys: 1 }),
});

export const baseline = s.document(
  'Baseline',
  'Results of the runs of one config, to commit and to compare later runs with; written by `review --pin`. Keys are sorted and there are no timestamps: the same runs produce the same bytes.',
  {
    version: s.literal(1, 'Version of this format.'),
    name: s.text('Name of the experiment.'),
    metrics: s.mapOf(metric, {
      description: 'Final values, such as test.accuracy and performance.ms_per_step, by metric.',
      minKeys: 1,
    }),
    config_hash_by_seed: s.mapOf(s.sha256('SHA-256, hex.'), {
      description: 'SHA-256 of the resolved config of each run, by its seed.',
      minKeys: 1,
    }),
    config: s.mapOf(
      s.anything<Json>({}),
      'The parts of the resolved config that affect results, by key path such as optimizer.learning_rate; file paths are relative to the config. Without the seed, and without keys that do not affect results, such as names, logging and gates.',
    ),
    datasets: s.list(
      s.struct('A file.', {
        name: s.text('File or array.'),
        sha256: s.text('SHA-256 of its bytes.'),
        split: s.optional(
          s.choice(
            ['train', 'validation', 'test'],
            'Split that it was given for. Without files for `test`, the test split is a part of those for `train`.',
          ),
        ),
      }),
      'The data that were read.',
    ),
    versions: s.mapOf(s.text({}), 'Versions of cellrun and of the packages that affect results.'),
    backend: s.struct('What executed the kernels.', {
      name: s.text('Such as webasm.'),
      executor: s.text('What executed the kernels.'),
      arithmetic: s.nullable(s.text('fused or separate on webasm, as in the manifest; null elsewhere.')),
      adapter: s.nullable(s.text('Name of the GPU as reported by its driver; null if there is none.')),
      threads: s.list(
        s.nullable(s.integer({})),
        'Thread counts of the runs, ascending, without duplicates; they do not affect results.',
      ),
    }),
    git: s.list(repository, 'States of the repository that contains the runs; empty outside a repository.'),
  },
);

export type BaselineMetric = s.TypeOf<typeof metric>;
export type Baseline = s.TypeOf<typeof baseline>;

const MAX_BYTES = 16 * 2 ** 20;

/** Summed in seed order, so that equal values give byte-identical results. */
export function summarizeSeeds(bySeed: Readonly<Record<string, number>>): BaselineMetric {
  const seeds = Object.keys(bySeed).sort((a, b) => Number(a) - Number(b));
  const values = seeds.map(seed => bySeed[seed]);
  const { mean, spread } = momentsOf(values);
  return {
    count: values.length,
    mean,
    spread,
    by_seed: Object.fromEntries(seeds.map(seed => [seed, bySeed[seed]])),
  };
}

export function readBaseline(path: string): Baseline {
  return parseBaseline(path, readBaselineText(path));
}

export function readBaselineText(path: string): string {
  return readText(path, { maxBytes: MAX_BYTES });
}

export function parseBaseline(path: string, text: string): Baseline {
  return parseValid<Baseline>(path, text, 'baseline');
}
