import { benchCase, CTC_SIZES, DECODER_SIZES, type ModelName, REFERENCE } from './cases.js';
import type { Other } from './contenders.js';
import { type Figure, noiseOf, type Results, ratioOf, ratiosOf, type Spread } from './results.js';

export type Verdict = 'aim reached' | 'floor reached' | 'missed' | 'not measured' | 'too noisy';

/**
 * A figure that its own rounds scatter this much about says nothing: the machine was doing
 * something else.
 */
const MAX_NOISE = 0.15;

type Unit = Figure['unit'];

/** The most that is acceptable; less on a Node whose V8 merges vectors. */
type Floor = number | { readonly merging: number; readonly older: number };

type Target = readonly [
  what: string,
  floor: Floor,
  aim: number,
  unit: Unit,
  value: (results: Results) => Spread | undefined,
];

export interface Judged {
  readonly what: string;
  readonly floor: number;
  readonly aim: number;
  readonly unit: Unit;
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

const node = (merging: number, older: number): Floor => ({ merging, older });

const stepOverPyTorch = (
  what: string,
  floor: Floor,
  aim: number,
  ...sizes: [Partial<typeof REFERENCE>?, ModelName?]
): Target => [
  `training step of ${what} over PyTorch CPU, same threads`,
  floor,
  aim,
  '',
  ratio(reference('train_step', 'PyTorch', ...sizes)),
];

const evaluationOverPyTorch = (floor: Floor, aim: number): Target => [
  'evaluation of 10,000 images over PyTorch CPU',
  floor,
  aim,
  '',
  ratio(reference('evaluate', 'PyTorch')),
];

/** With vectors of 512 bits PyTorch computes 16 lanes at once. */
const onlyWith = (vectors: Results['vectors'], [what, floor, aim, unit, value]: Target): Target => [
  `${what}, ${vectors}`,
  floor,
  aim,
  unit,
  results => (results.vectors === vectors ? value(results) : undefined),
];

const EXPERIMENT = 'the reference experiment';
const TARGETS: readonly Target[] = [
  onlyWith('AVX2', stepOverPyTorch(EXPERIMENT, node(0.75, 1.15), 0.5)),
  onlyWith('AVX-512', stepOverPyTorch(EXPERIMENT, 0.75, 0.55)),
  [
    'training step of the reference experiment over PyTorch CPU, one thread each',
    node(0.75, 1.2),
    0.55,
    '',
    results => ratiosOf(results).get(reference('train_step', 'PyTorch')(1)),
  ],
  stepOverPyTorch('a GRU of the same sizes', node(1, 1.4), 0.7, {}, 'gru'),
  stepOverPyTorch('an RNN of the same sizes', node(1, 1.4), 0.7, {}, 'rnn'),
  stepOverPyTorch('a bidirectional LSTM of the same sizes', node(1, 1.4), 0.7, {}, 'bilstm'),
  stepOverPyTorch('CTC on a bidirectional LSTM, batch 64, 100 steps', 1, 0.7, CTC_SIZES, 'ctc'),
  stepOverPyTorch('an LSTM with a decoder, batch 64, 30 steps each', 1, 0.7, DECODER_SIZES, 'decoder'),
  onlyWith('AVX2', stepOverPyTorch('hidden size 512', node(1, 2), 0.8, { hidden_size: 512 })),
  onlyWith('AVX-512', stepOverPyTorch('hidden size 512', 1.2, 0.9, { hidden_size: 512 })),
  stepOverPyTorch('batch size 1', node(1.2, 2), 0.8, { batch_size: 1 }),
  [
    'training step of the reference experiment over another build',
    1.02,
    1,
    '',
    ratio(reference('train_step', 'other build')),
  ],
  [
    'training step of 784 steps over another build',
    1,
    0.9,
    '',
    ratio(reference('train_step', 'other build', { sequence_length: 784 })),
  ],
  [
    'training step of the reference experiment over TensorFlow.js wasm',
    node(1 / 40, 1 / 28),
    1 / 60,
    '',
    ratio(reference('train_step', 'TensorFlow.js')),
  ],
  [
    'gate product 100 x 512 x 256, one thread, over gpu.js as shipped',
    1 / 12,
    1 / 18,
    '',
    ratio(reference('matmul', 'gpu.js')),
  ],
  [
    'two threads over one, training step of the reference experiment',
    1 / 1.8,
    1 / 1.9,
    '',
    twoThreadsOverOne,
  ],
  onlyWith('AVX2', evaluationOverPyTorch(node(0.8, 1.5), 0.6)),
  onlyWith('AVX-512', evaluationOverPyTorch(1, 0.7)),
  [
    'whole run of configs/mnist-lstm.yaml over the PyTorch program',
    node(1.1, 1.6),
    0.8,
    '',
    ratioAgainst('whole/run : '),
  ],
  ['the loss of CTC alone over a training step', 0.05, 0.03, '', ratioAgainst('whole/ctc : ')],
  ['1,000 sequences of a CTC model, beam of 8 over greedy', 20, 5, '', ratioAgainst('whole/beam-ctc : ')],
  ['1,000 sequences of a decoder, beam of 8 over greedy', 20, 5, '', ratioAgainst('whole/beam-decoder : ')],
  ['mel bands of recordings over torchaudio, all threads', 1, 0.5, '', ratioAgainst('whole/features : ')],
  ['training step in Chromium over Node', 1.15, 1, '', ratioAgainst('whole/page : ')],
  ['reference run in Chromium over Node', 1.3, 1.1, '', ratioAgainst('whole/page-reference : ')],
  ['longest task of the page while training', 50, 50, 'ms', figure('whole/page-busy')],
  ['step in Chromium over TensorFlow.js, wasm', 0.05, 0.02, '', ratioAgainst('whole/page-tfjs-wasm : ')],
  ['step in Chromium over TensorFlow.js, webgl', 0.05, 0.02, '', ratioAgainst('whole/page-tfjs-webgl : ')],
  ['step of a session in Node over onnxruntime-web', 1, 0.6, '', ratioAgainst('whole/session-node : ')],
  [
    'step of a session in Chromium over onnxruntime-web',
    1,
    0.6,
    '',
    ratioAgainst('whole/session-chromium : '),
  ],
  ['time per request of serve --predict, 2 x 64 GRU, 30 steps', 1, 0.5, 'ms', figure('whole/serving')],
  ['start of ./run to first training step done', node(0.8, 1.2), 0.5, 's', figure('whole/start')],
  ['peak RSS of the reference run', 270, 200, 'MB', figure('whole/peak-rss')],
  ['review of 1,000,000 log lines, 300 MB', 5, 2.5, 's', figure('whole/review')],
  ['peak RSS of that review', 150, 100, 'MB', figure('whole/review-rss')],
  ['review of a run with a checkpoint of 256 MiB', 2, 0.6, 's', figure('whole/review-weights')],
  ['peak RSS of predicting 1 GiB of csv', 300, 250, 'MB', figure('whole/predict-rss')],
  ['peak RSS of predicting 1 GiB of jsonl', 300, 250, 'MB', figure('whole/predict-jsonl-rss')],
  ['training step on data on the disk over data in memory', 1 / 0.9, 1, '', ratioAgainst('disk/step : ')],
  ['peak RSS of training on data on the disk', 700, 400, 'MB', figure('disk/rss')],
  ['status of a sweep of 10,000 trials', 1, 0.5, 's', figure('whole/status')],
  ['next suggestion of TPE with 1,000 finished trials', 50, 20, 'ms', figure('whole/suggestion')],
  ['what a sweep of one trial takes longer than the same run alone', 0.5, 0.25, 's', figure('whole/trial')],
  [
    'two trials of one thread at a time over one after the other with two',
    1,
    0.85,
    '',
    ratioAgainst('whole/parallel-trials : '),
  ],
  ['start of serve to a list of 5,000 runs', 1, 0.5, 's', figure('dashboard/list')],
  ['document of a run of 100,000 steps', 1, 0.5, 's', figure('dashboard/run')],
];

export function judge(results: Results): Judged[] {
  const merges = Number.parseInt(results.versions.node ?? '', 10) >= MERGING_NODE;
  return TARGETS.map(([what, either, aim, unit, value]) => {
    const measured = value(results);
    const floor = typeof either === 'number' ? either : either[merges ? 'merging' : 'older'];
    return { what, floor, aim, unit, measured, verdict: verdictOf(measured, { floor, aim }) };
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
