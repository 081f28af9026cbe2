/** What was promised, and whether it holds. */
import { BUCKETED_LENGTHS, bucketedId } from './bucketed.js';
import { benchCase, type ModelName, REFERENCE } from './cases.js';
import type { Other } from './contenders.js';
import { noiseOf, type Results, ratioOf, ratiosOf, type Spread } from './results.js';

export type Verdict = 'aim reached' | 'floor reached' | 'missed' | 'not measured' | 'too noisy';

/**
 * A figure that its own rounds scatter this much about says nothing: the machine was doing
 * something else.
 */
export const MAX_NOISE = 0.15;

export interface Target {
  readonly what: string;
  /** The most that is acceptable; less on a Node whose V8 merges vectors. */
  readonly floor: number | { readonly merging: number; readonly older: number };
  readonly aim: number;
  readonly unit: '' | 's' | 'ms' | 'MB';
  /** The measured value; smaller is better. */
  value(results: Results): Spread | undefined;
}

export interface Judged extends Omit<Target, 'value' | 'floor'> {
  readonly floor: number;
  readonly measured: Spread | undefined;
  readonly verdict: Verdict;
}

const ratio = (id: (threads: number) => string) => (results: Results) =>
  ratiosOf(results).get(id(results.threads));

/** A ratio whose name says what it was compared with; the first that begins so. */
const ratioAgainst = (prefix: string) => (results: Results) =>
  [...ratiosOf(results)].find(([id]) => id.startsWith(prefix))?.[1];

const figure = (id: string) => (results: Results) => results.figures.find(one => one.id === id)?.ours;

const reference =
  (
    benchmark: 'train_step' | 'evaluate' | 'matmul',
    other: Other,
    sizes: Partial<typeof REFERENCE> = {},
    model?: ModelName,
  ) =>
  (threads: number) =>
    `${benchCase(benchmark, { ...REFERENCE, ...sizes, threads }, model).id} : ${other}`;

/** Round by round; undefined where one of the two was not measured. */
function twoThreadsOverOne({ rows }: Results): Spread | undefined {
  const [one, two] = [1, 2].map(threads => {
    const { id } = benchCase('train_step', { ...REFERENCE, threads });
    return rows.find(row => row.case.id === id)?.timings.cellrun?.rounds_ms;
  });
  return one && two && ratioOf(two, one);
}

/** The first version of Node whose V8 merges vectors. */
const MERGING_NODE = 24;

const stepOverPyTorch = (
  what: string,
  { floor, aim }: Pick<Target, 'floor' | 'aim'>,
  ...sizes: [Partial<typeof REFERENCE>?, ModelName?]
): Target => ({
  what: `training step of ${what} over PyTorch CPU, same threads`,
  floor,
  aim,
  unit: '',
  value: ratio(reference('train_step', 'PyTorch', ...sizes)),
});

/**
 * Only on processors with, or without, vectors of 512 bits: with them PyTorch computes 16 lanes at
 * once.
 */
const onlyWith = (vectors: Results['vectors'], target: Target): Target => ({
  ...target,
  what: `${target.what}, ${vectors}`,
  value: results => (results.vectors === vectors ? target.value(results) : undefined),
});

const TARGETS: readonly Target[] = [
  onlyWith(
    'AVX2',
    stepOverPyTorch('the reference experiment', { floor: { merging: 0.8, older: 1.15 }, aim: 0.5 }),
  ),
  onlyWith(
    'AVX-512',
    stepOverPyTorch('the reference experiment', { floor: { merging: 1.25, older: 1.8 }, aim: 1 }),
  ),
  onlyWith('AVX2', {
    ...stepOverPyTorch('the reference experiment', { floor: { merging: 0.85, older: 1.2 }, aim: 0.6 }),
    what: 'training step of the reference experiment over PyTorch CPU, one thread each',
    value: results => ratiosOf(results).get(reference('train_step', 'PyTorch')(1)),
  }),
  stepOverPyTorch('a GRU of the same sizes', { floor: { merging: 1, older: 1.4 }, aim: 0.7 }, {}, 'gru'),
  stepOverPyTorch('an RNN of the same sizes', { floor: { merging: 1, older: 1.4 }, aim: 0.7 }, {}, 'rnn'),
  stepOverPyTorch(
    'a bidirectional LSTM of the same sizes',
    { floor: { merging: 1, older: 1.4 }, aim: 0.7 },
    {},
    'bilstm',
  ),
  stepOverPyTorch('hidden size 512', { floor: { merging: 1.2, older: 2 }, aim: 0.9 }, { hidden_size: 512 }),
  stepOverPyTorch('batch size 1', { floor: { merging: 1.5, older: 2 }, aim: 1 }, { batch_size: 1 }),
  ...BUCKETED_LENGTHS.map(steps => ({
    what: `step with lengths uniform in 1..${steps}, batches by length, over one of full lengths`,
    floor: 0.65,
    aim: 0.6,
    unit: '' as const,
    value: ratioAgainst(`${bucketedId(steps)} : `),
  })),
  {
    what: 'training step of the reference experiment over another build',
    floor: 1.02,
    aim: 1,
    unit: '',
    value: ratio(reference('train_step', 'other build')),
  },
  {
    what: 'training step of 784 steps over another build',
    floor: 1,
    aim: 0.9,
    unit: '',
    value: ratio(reference('train_step', 'other build', { sequence_length: 784 })),
  },
  {
    what: 'training step of the reference experiment over TensorFlow.js wasm',
    floor: { merging: 1 / 40, older: 1 / 28 },
    aim: 1 / 60,
    unit: '',
    value: ratio(reference('train_step', 'TensorFlow.js')),
  },
  {
    what: 'gate product 100 x 512 x 256, one thread, over gpu.js as shipped',
    floor: 1 / 12,
    aim: 1 / 18,
    unit: '',
    value: ratio(reference('matmul', 'gpu.js')),
  },
  {
    what: 'two threads over one, training step of the reference experiment',
    floor: 1 / 1.8,
    aim: 1 / 1.9,
    unit: '',
    value: twoThreadsOverOne,
  },
  {
    what: 'finding what is not finite over the training step of the reference experiment',
    floor: 0.02,
    aim: 0.01,
    unit: '',
    value: ratioAgainst('checks/step : '),
  },
  {
    what: 'evaluation of 10,000 images over PyTorch CPU',
    floor: { merging: 0.9, older: 1.5 },
    aim: 0.6,
    unit: '',
    value: ratio(reference('evaluate', 'PyTorch')),
  },
  {
    what: 'whole run of configs/mnist-lstm.yaml over the PyTorch program',
    floor: { merging: 1.1, older: 1.6 },
    aim: 0.8,
    unit: '',
    value: ratioAgainst('whole/run : '),
  },
  {
    what: 'start of ./run to first training step done',
    floor: { merging: 1, older: 1.2 },
    aim: 0.6,
    unit: 's',
    value: figure('whole/start'),
  },
  {
    what: 'peak RSS of the reference run',
    floor: 300,
    aim: 220,
    unit: 'MB',
    value: figure('whole/peak-rss'),
  },
  {
    what: 'review of 1,000,000 log lines, 300 MB',
    floor: 5,
    aim: 2.5,
    unit: 's',
    value: figure('whole/review'),
  },
  {
    what: 'peak RSS of that review',
    floor: 150,
    aim: 100,
    unit: 'MB',
    value: figure('whole/review-rss'),
  },
  {
    what: 'review of a run with a checkpoint of 256 MiB',
    floor: 2,
    aim: 0.6,
    unit: 's',
    value: figure('whole/review-weights'),
  },
  {
    what: 'peak RSS of predicting 1 GiB of csv',
    floor: 300,
    aim: 250,
    unit: 'MB',
    value: figure('whole/predict-rss'),
  },
  {
    what: 'peak RSS of predicting 1 GiB of jsonl',
    floor: 300,
    aim: 250,
    unit: 'MB',
    value: figure('whole/predict-jsonl-rss'),
  },
  {
    what: 'training step on data on the disk over data in memory',
    floor: 1 / 0.9,
    aim: 1,
    unit: '',
    value: ratioAgainst('disk/step : '),
  },
  {
    what: 'peak RSS of training on data on the disk',
    floor: 700,
    aim: 400,
    unit: 'MB',
    value: figure('disk/rss'),
  },
  {
    what: 'status of a sweep of 10,000 trials',
    floor: 1,
    aim: 0.5,
    unit: 's',
    value: figure('whole/status'),
  },
  {
    what: 'next suggestion of TPE with 1,000 finished trials',
    floor: 50,
    aim: 20,
    unit: 'ms',
    value: figure('whole/suggestion'),
  },
  {
    what: 'what a sweep of one trial takes longer than the same run alone',
    floor: 0.5,
    aim: 0.25,
    unit: 's',
    value: figure('whole/trial'),
  },
  {
    what: 'two trials of one thread at a time over one after the other with two',
    floor: 1,
    aim: 0.85,
    unit: '',
    value: ratioAgainst('whole/parallel-trials : '),
  },
  {
    what: 'RSS after 10,000 steps over RSS after 500',
    floor: 1.05,
    aim: 1.01,
    unit: '',
    value: ratioAgainst('soak/rss : '),
  },
  {
    what: 'start of serve to a list of 5,000 runs',
    floor: 1,
    aim: 0.5,
    unit: 's',
    value: figure('dashboard/list'),
  },
  {
    what: 'document of a run of 100,000 steps',
    floor: 1,
    aim: 0.5,
    unit: 's',
    value: figure('dashboard/run'),
  },
];

export function judge(results: Results): Judged[] {
  const merges = Number.parseInt(results.versions.node ?? '', 10) >= MERGING_NODE;
  return TARGETS.map(({ value, floor: either, ...target }) => {
    const measured = value(results);
    const floor = typeof either === 'number' ? either : either[merges ? 'merging' : 'older'];
    return { ...target, floor, measured, verdict: verdictOf(measured, { ...target, floor }) };
  });
}

export function verdictOf(
  measured: Spread | undefined,
  { floor, aim }: Pick<Judged, 'floor' | 'aim'>,
): Verdict {
  if (measured === undefined) return 'not measured';
  if (noiseOf(measured) > MAX_NOISE) return 'too noisy';
  if (measured.median <= aim) return 'aim reached';
  return measured.median <= floor ? 'floor reached' : 'missed';
}

/**
 * What two runs of the same program differ by although each is steady in itself: another page
 * layout, another neighbour on the machine, another clock rate.
 */
const BETWEEN_RUNS = 0.1;
/** The same on another machine, or beside other work. */
const LOOSELY = 1;
/** Where more growth than this would pass for noise, nothing can be said. */
const MAX_ALLOWED = 0.6;

export interface Regression {
  readonly id: string;
  readonly before: Spread;
  readonly now: Spread;
  /** Growth that would still have been noise, such as 0.12. */
  readonly allowed: number;
}

export interface Check {
  readonly regressions: readonly Regression[];
  /** Ratios of both runs that could be judged. */
  readonly compared: number;
  /** Ratios whose rounds scatter too much or, if checked loosely, that were disturbed. */
  readonly noisy: readonly string[];
  /** Ratios of the baseline that this run did not measure. */
  readonly missing: readonly string[];
}

/**
 * Compares ratios, never times: a ratio was measured against another program on the same machine in
 * the same minutes, so a slower machine or a busy hour moves both its halves. A ratio has regressed
 * where
 *
 *     now / before > 1 + 0.1 + 2 * sqrt(noise(before)^2 + noise(now)^2)
 *
 * with medians over the rounds, and as noise half the interquartile range relative to the median.
 * For a normal distribution that is 0.67 standard deviations of a single round; twice it, for both
 * runs together, is exceeded by chance far less than once in a hundred, since the median of five
 * rounds is steadier than a round. 0.1 is what runs differ by anyway.
 */
export function compare(
  before: Results,
  now: Results,
  { loosely = false, only }: { readonly loosely?: boolean; readonly only?: RegExp | undefined } = {},
): Check {
  const after = ratiosOf(now);
  const disturbed = ratiosOf({ rows: [], figures: now.figures.filter(one => one.disturbed) });
  const regressions: Regression[] = [];
  const noisy: string[] = [];
  const missing: string[] = [];
  let compared = 0;
  for (const [id, old] of ratiosOf(before)) {
    const ratio = after.get(id);
    if (!ratio) {
      if (only?.test(id) ?? true) missing.push(id);
      continue;
    }
    if (loosely && disturbed.has(id)) {
      noisy.push(id);
      continue;
    }
    const noise = 2 * Math.hypot(noiseOf(old), noiseOf(ratio));
    const allowed = (loosely ? LOOSELY : BETWEEN_RUNS) + noise;
    if (noise > MAX_ALLOWED - BETWEEN_RUNS) {
      noisy.push(id);
      continue;
    }
    compared++;
    if (ratio.median / old.median > 1 + allowed) regressions.push({ id, before: old, now: ratio, allowed });
  }
  return { regressions, compared, noisy, missing };
}
