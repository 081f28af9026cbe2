/** What is measured: one axis varied at a time around the reference experiment's sizes. */

export const BENCHMARKS = ['matmul', 'gates', 'forward', 'train_step', 'evaluate'] as const;
export type Benchmark = (typeof BENCHMARKS)[number];

/**
 * What the layers of a model are, which of their outputs the head reads, and how many products of H
 * columns a cell's step makes. The last step of two directions would need but one step of the
 * reverse one, which PyTorch computes whole; final states need both whole. `ctc` has the loss of
 * that name, the others cross-entropy. `decoder` has one of the encoder's sizes, and attention.
 */
export const MODELS = {
  lstm: { layer: { cell: 'lstm' }, from: 'last', gates: 4, directions: 1 },
  gru: { layer: { cell: 'gru' }, from: 'last', gates: 3, directions: 1 },
  rnn: { layer: { cell: 'rnn' }, from: 'last', gates: 1, directions: 1 },
  bilstm: { layer: { cell: 'lstm', bidirectional: true }, from: 'final', gates: 4, directions: 2 },
  ctc: { layer: { cell: 'lstm', bidirectional: true }, from: 'every', gates: 4, directions: 2 },
  decoder: { layer: { cell: 'lstm' }, from: 'every', gates: 4, directions: 1 },
} as const;
export type ModelName = keyof typeof MODELS;

/** The sizes of one measurement; what each contender is told. Names are those of the JSON lines. */
export interface BenchCase {
  /** Unique: benchmark, model unless it is the LSTM, and sizes. */
  readonly id: string;
  readonly benchmark: Benchmark;
  readonly model: ModelName;
  readonly hidden_size: number;
  readonly batch_size: number;
  readonly sequence_length: number;
  readonly num_layers: number;
  readonly input_size: number;
  /** Outputs of the model. */
  readonly num_classes: number;
  /** Symbols of each target, without the boundary of a decoder; 0 if targets are classes. */
  readonly target_length: number;
  readonly threads: number;
  /** Sequences in all: one batch, or the whole test set. */
  readonly sequences: number;
  /**
   * The sequences from which batches of training are drawn, if more. A batch of 1 that is always
   * the same would be learned, and subnormal gradients are slow to compute with.
   */
  readonly drawn_from: number;
  /**
   * Products (or gate kernels) in one timed call, so that calling costs little beside them; 1 for
   * the others.
   */
  readonly repeats: number;
}

type Sizes = Pick<BenchCase, 'hidden_size' | 'batch_size' | 'sequence_length' | 'threads'>;

const TEST_SET = 10_000;
const DRAWN_FROM = 512;
/** A timed call of a kernel benchmark does about this much, in at most MAX_REPEATS kernels. */
const CALL_FLOPS = 2e8;
const MAX_REPEATS = 8;

export const CTC_SIZES = { hidden_size: 128, batch_size: 64, sequence_length: 100 } as const;
export const DECODER_SIZES = { hidden_size: 128, batch_size: 64, sequence_length: 30 } as const;
/** Outputs of the models that write symbols, and symbols of their targets. */
const OF_SYMBOLS: Partial<Record<ModelName, Pick<BenchCase, 'num_classes' | 'target_length'>>> = {
  ctc: { num_classes: 31, target_length: 20 },
  decoder: { num_classes: 31, target_length: 30 },
};
export const REFERENCE: Sizes = { hidden_size: 128, batch_size: 100, sequence_length: 28, threads: 1 };
const HIDDEN_SIZES = [32, 128, 512] as const;
const BATCH_SIZES = [1, 32, 100, 512] as const;
const SEQUENCE_LENGTHS = [28, 128, 784] as const;

/**
 * Every case, those of one number of threads together. `threads` is how many the models get at
 * most.
 */
export function allCases(threads: number): BenchCase[] {
  const model = [...vary('hidden_size', HIDDEN_SIZES), ...vary('batch_size', BATCH_SIZES)];
  const long = vary('sequence_length', SEQUENCE_LENGTHS);
  // an evaluation is a hundred forward passes: its batch and sequence axes would repeat those of
  // `forward`
  const cases = [
    ...model.flatMap(sizes => [benchCase('matmul', sizes), benchCase('gates', sizes)]),
    ...[...model, ...long].flatMap(sizes => [
      ...atThreads('forward', sizes, threads),
      ...atThreads('train_step', sizes, threads),
    ]),
    ...(['gru', 'rnn', 'bilstm'] as const).map(model =>
      benchCase('train_step', { ...REFERENCE, threads }, model),
    ),
    benchCase('train_step', { ...CTC_SIZES, threads }, 'ctc'),
    benchCase('train_step', { ...DECODER_SIZES, threads }, 'decoder'),
    ...vary('hidden_size', HIDDEN_SIZES).flatMap(sizes => atThreads('evaluate', sizes, threads)),
  ];
  const unique = new Map(cases.map(one => [one.id, one]));
  const order = (one: BenchCase) => one.threads * BENCHMARKS.length + BENCHMARKS.indexOf(one.benchmark);
  return [...unique.values()].sort((a, b) => order(a) - order(b));
}

/**
 * A few seconds of each kind: shows that everything runs, and measures the reference sizes roughly.
 */
export function quickCases(threads: number): BenchCase[] {
  return [
    benchCase('matmul', REFERENCE),
    benchCase('gates', REFERENCE),
    benchCase('forward', { ...REFERENCE, threads }),
    benchCase('train_step', { ...REFERENCE, threads }),
  ];
}

/** What `--gpu` measures: models and batches that a GPU is for. */
export function gpuCases(threads: number): BenchCase[] {
  const sizes = [28, 784].flatMap(sequence_length =>
    [100, 1000].flatMap(batch_size =>
      [128, 512, 1024].map(hidden_size => ({ hidden_size, batch_size, sequence_length, threads })),
    ),
  );
  const evaluation = (one: Sizes) => {
    const whole = benchCase('evaluate', one);
    return one.sequence_length === 28 ? whole : { ...whole, sequences: TEST_SET / 10 };
  };
  return [...sizes.map(one => benchCase('train_step', one)), ...sizes.map(evaluation)];
}

function vary<K extends keyof Sizes>(axis: K, values: readonly number[]): Sizes[] {
  return values.map(value => ({ ...REFERENCE, [axis]: value }));
}

/**
 * Threads are an axis too: the reference sizes on one thread and on all, the other sizes on all.
 */
function atThreads(benchmark: Benchmark, sizes: Sizes, threads: number): BenchCase[] {
  const isReference = (Object.keys(REFERENCE) as (keyof Sizes)[]).every(key => sizes[key] === REFERENCE[key]);
  const counts = isReference ? Array.from({ length: threads }, (_, i) => i + 1) : [threads];
  return counts.map(count => benchCase(benchmark, { ...sizes, threads: count }));
}

export function benchCase(benchmark: Benchmark, sizes: Sizes, model: ModelName = 'lstm'): BenchCase {
  const { hidden_size: h, batch_size: b, sequence_length: t, threads } = sizes;
  const kernel = benchmark === 'matmul' || benchmark === 'gates';
  const prefix = `${benchmark}/${model === 'lstm' ? '' : `${model}-`}`;
  const one: BenchCase = {
    id: `${prefix}h${h}-b${b}${kernel ? '' : `-t${t}-th${threads}`}`,
    benchmark,
    model,
    ...sizes,
    num_layers: 2,
    input_size: 28,
    ...(OF_SYMBOLS[model] ?? { num_classes: 10, target_length: 0 }),
    sequences: benchmark === 'evaluate' ? TEST_SET : b,
    drawn_from: benchmark === 'train_step' ? DRAWN_FROM : 0,
    repeats: 1,
  };
  if (!kernel) return one;
  return { ...one, repeats: Math.min(MAX_REPEATS, Math.max(1, Math.round(CALL_FLOPS / flopsOf(one)))) };
}

/**
 * Floating-point operations of one timed call, counted from the mathematics and the same for every
 * contender: two for each multiply-add of the products, nothing for the rest. A gradient costs two
 * more products for each of the forward pass.
 */
export function flopsOf(one: BenchCase): number {
  const { benchmark, hidden_size, batch_size, sequence_length, num_layers, input_size, repeats } = one;
  const { directions, ...model } = MODELS[one.model];
  const gates = model.gates * hidden_size;
  // the reference layer above the first: H inputs and H states
  if (benchmark === 'matmul' || benchmark === 'gates')
    return repeats * 2 * batch_size * gates * 2 * hidden_size;
  // each direction of a layer above the first reads all directions of the layer below
  const columns = input_size + hidden_size + (num_layers - 1) * (directions + 1) * hidden_size;
  const products = sequence_length * directions * gates * columns + decoderProducts(one);
  const forward = 2 * one.sequences * products;
  return benchmark === 'train_step' ? 3 * forward : forward;
}

/** Multiply-adds of a decoder for one sequence: its cells, then scores, contexts and their use. */
function decoderProducts({
  model,
  hidden_size,
  num_layers,
  sequence_length,
  target_length,
}: BenchCase): number {
  if (model !== 'decoder') return 0;
  const cells = num_layers * MODELS[model].gates * hidden_size * 2 * hidden_size;
  const attention = 3 * hidden_size * hidden_size + 2 * sequence_length * hidden_size;
  return (target_length + 1) * (cells + attention);
}
