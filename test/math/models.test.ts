/**
 * Random models: stacks of random cells, directions, heads and lengths. What kernels compute, cut
 * into blocks, against one uncut graph in float64, and that against differences of its loss.
 */

import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Targets } from '../../src/data/core/targets.js';
import { Engine } from '../../src/engine/index.js';
import { KernelMachine } from '../../src/engine/linked-executable.js';
import { makePlan } from '../../src/engine/plan.js';
import { cells } from '../../src/math/cells/index.js';
import { type LossSettings, lossOf as lossOfSettings, targetSize } from '../../src/math/losses/index.js';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import { stepPrograms } from '../../src/math/model/runs.js';
import { batchLengths, makeSchedule } from '../../src/math/model/schedule.js';
import type { ModelSpec } from '../../src/math/model/spec.js';
import { paddedSize } from '../../src/math/optimizers/program.js';
import { BatchWriter } from '../../src/train/batch.js';
import { allocateShards, ShardComputer, type ShardJob } from '../../src/train/shards.js';
import { RandomStream } from '../../src/util/random.js';
import { Recent } from '../../src/util/recent.js';
import { differentiateAtZero, readRows, referenceOf } from '../../src/verify/gradients.js';
import { relativeError, splitOf } from '../support/goldens.js';
import { modelOf, type ShortModel } from '../support/models.js';
import { lossOf } from '../support/shards.js';

const UNCUT = Number.POSITIVE_INFINITY;

const size = fc.integer({ min: 1, max: 5 });
const layer = fc.oneof(
  fc.record({ cell: fc.constant('lstm'), hidden_size: size, layer_norm: fc.constant(true) }),
  fc.record({
    cell: fc.constant('lstm'),
    hidden_size: fc.integer({ min: 3, max: 5 }),
    projection_size: fc.constant(2),
  }),
  fc.record({ cell: fc.constant('rnn'), hidden_size: size, nonlinearity: fc.constant('relu') }),
  fc.record({ cell: fc.constantFrom(...Object.keys(cells)), hidden_size: size }),
);

interface Case {
  readonly model: ShortModel;
  readonly loss: LossSettings;
  readonly steps: number;
  readonly batch: number;
  readonly symbols: boolean;
  readonly carriesState: boolean;
  readonly lengths: readonly number[] | null;
  /** Symbols of the longest target, of a loss of sequences or a decoder. */
  readonly targetLength: number;
  readonly seed: number;
}

const decoder = fc.record({
  cell: fc.constantFrom('lstm', 'gru', 'rnn'),
  hidden_size: size,
  num_layers: fc.integer({ min: 1, max: 2 }),
  embedding_size: size,
  attention: fc.constantFrom('none', 'dot', 'general', 'additive'),
  dropout: fc.constantFrom(0, 0.4),
});

type Layer = (typeof layer extends fc.Arbitrary<infer T> ? T : never) & { readonly bidirectional: boolean };

/** Scores by dot are for outputs of the encoder that are as long as the decoder's. */
function fitting(one: typeof decoder extends fc.Arbitrary<infer T> ? T : never, top: Layer) {
  const { attention } = one;
  if (attention !== 'dot') return one;
  if (top.bidirectional) return { ...one, attention: 'general' };
  return { ...one, hidden_size: 'projection_size' in top ? top.projection_size : top.hidden_size };
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    layers: fc.array(fc.tuple(layer, fc.boolean()), { minLength: 1, maxLength: 3 }),
    from: fc.constantFrom('last', 'final', 'mean', 'max', 'every'),
    hidden_sizes: fc.array(size, { maxLength: 2 }),
    activation: fc.constantFrom('relu', 'tanh'),
    dropout: fc.constantFrom(0, 0.4),
    carry: fc.boolean(),
    symbols: fc.boolean(),
    classes: fc.constantFrom<LossSettings>(
      { kind: 'cross_entropy' },
      { kind: 'cross_entropy', class_weights: [0.5, 1, 3] },
      { kind: 'cross_entropy', class_weights: [0.5, 1, 3], label_smoothing: 0.2 },
    ),
    ofSequences: fc.boolean(),
    decoder: fc.option(decoder),
    targetLength: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 60, max: 150 })),
    values: fc.constantFrom<LossSettings | null>(
      null,
      { kind: 'mse' },
      { kind: 'mae' },
      { kind: 'huber', delta: 0.4 },
      { kind: 'quantile', quantiles: [0.1, 0.6, 0.8] },
      { kind: 'binary_cross_entropy', positive_weights: [2, 1, 0.5] },
    ),
    batch: fc.integer({ min: 1, max: 5 }),
    // short ones are one block; long ones are cut
    steps: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 60, max: 150 })),
    varies: fc.boolean(),
    seed: fc.nat(),
  })
  .map(
    ({
      layers,
      from,
      hidden_sizes,
      activation,
      dropout,
      carry,
      symbols,
      classes,
      ofSequences,
      decoder,
      targetLength,
      values,
      batch,
      steps,
      varies,
      seed,
    }) => {
      const random = RandomStream.of(seed, 'test/lengths');
      const carriesState = carry && !decoder;
      const directed = layers.map(([one, both]) => ({ ...one, bidirectional: both && !carriesState }));
      const ofSymbols = { kind: 'cross_entropy', ofSymbols: true } as const;
      return {
        model: {
          layers: directed,
          dropout,
          head: { from, hidden_sizes, activation, dropout },
          ...(symbols && { embedding: { size: 3, num_symbols: 7 } }),
          ...(decoder && { decoder: fitting(decoder, directed[directed.length - 1]) }),
        },
        loss: decoder ? ofSymbols : lossFor(from, { values, classes, ofSequences }),
        steps,
        batch,
        symbols,
        carriesState,
        lengths: varies ? Array.from({ length: batch }, () => 1 + random.integer(steps)) : null,
        // without a decoder each symbol needs a step
        targetLength: decoder ? targetLength : Math.min(9, targetLength),
        seed,
      };
    },
  );

function lossFor(
  from: string,
  given: { values: LossSettings | null; classes: LossSettings; ofSequences: boolean },
): LossSettings {
  if (from !== 'every') return given.values ?? given.classes;
  return given.ofSequences ? { kind: 'ctc' } : given.classes;
}

const OUTPUTS = 3;
const FEATURES = 2;

function dataOf({ loss, steps, batch, symbols, lengths, targetLength, seed, model }: Case) {
  const random = RandomStream.of(seed, 'test/data');
  const uniform = (length: number) => Float32Array.from({ length }, () => 2 * random.uniform() - 1);
  const perStep = model.head?.from === 'every';
  const labels = () =>
    Int32Array.from({ length: batch * (perStep ? steps : 1) }, () =>
      random.uniform() < 0.2 ? -100 : random.integer(OUTPUTS),
    );
  const sequence = (row: number) => {
    // even with a blank after each symbol there are steps enough
    const read = Math.floor(((lengths?.[row] ?? steps) + 1) / 2);
    const length = random.integer((model.decoder ? targetLength : Math.min(targetLength, read)) + 1);
    return Array.from({ length: targetLength }, (_, i) => (i < length ? random.integer(OUTPUTS - 1) : -100));
  };
  const targets: Targets =
    loss.kind === 'ctc' || model.decoder
      ? {
          kind: 'sequence',
          numClasses: OUTPUTS - 1,
          size: targetLength,
          values: Int32Array.from(Array.from({ length: batch }, (_, row) => sequence(row)).flat()),
        }
      : loss.kind !== 'cross_entropy'
        ? {
            kind: 'value',
            size: targetSize(loss, OUTPUTS),
            values: uniform(batch * targetSize(loss, OUTPUTS)),
          }
        : { kind: 'class', numClasses: OUTPUTS, values: labels(), perStep };
  const x = symbols
    ? Float32Array.from({ length: batch * steps }, () => random.integer(7))
    : uniform(batch * steps * FEATURES);
  return splitOf({ x, count: batch, steps, targets, ...(lengths && { lengths: Int32Array.from(lengths) }) });
}

function specOf({ model, symbols, carriesState }: Case): ModelSpec {
  return modelOf(model, {
    input: symbols ? { kind: 'symbol', count: 7 } : { kind: 'number', size: FEATURES },
    outputSize: OUTPUTS,
    carriesState,
  });
}

async function byKernels(given: Case, engine: Engine) {
  const spec = specOf(given);
  const { loss, steps, batch, lengths, seed } = given;
  const targetLength = loss.kind === 'ctc' || loss.ofSymbols ? given.targetLength : undefined;
  const shape = {
    batch,
    sequenceLength: steps,
    targetLength,
    variableLength: lengths !== null,
    training: true,
  };
  const job: ShardJob = { backend: engine.backend, spec, loss, shape, withGradient: true };
  const [[memory]] = allocateShards(job, { shards: 1, slots: 1 }, engine.heap);
  new BatchWriter(spec, loss, shape, seed).write(
    dataOf(given),
    Uint32Array.from({ length: batch }, (_, i) => i),
    [memory.batch],
  );
  const layout = new ParameterLayout(spec);
  const flat = new Float32Array(paddedSize(layout.size));
  const random = RandomStream.of(seed, 'test/weights');
  for (let i = 0; i < layout.size; i++) flat[i] = 2 * random.uniform() - 1;
  await new ShardComputer(new KernelMachine(engine), job).compute(flat, memory);
  const { gradient, predictions } = memory;
  const kept = [gradient, predictions].map(values => values.slice());
  const keepsNothing = Object.assign(new KernelMachine(engine), { keptSize: () => undefined });
  await new ShardComputer(keepsNothing, job).compute(flat, memory);
  const isEqual = [gradient, predictions].every((values, i) =>
    Buffer.from(values).equals(Buffer.from(kept[i])),
  );
  const rows = Array.from({ length: batch }, (_, row) => row);
  const exact = readRows({ spec, loss, shape, shards: [memory.batch] }, rows);
  return { spec, layout, flat, memory, exact, isEqual };
}

async function check(given: Case, engine: Engine): Promise<string[]> {
  const problems: string[] = [];
  const { spec, layout, flat, memory, exact, isEqual } = await byKernels(given, engine);
  if (!isEqual) problems.push('blocks that compute their forward pass again have other bytes');
  const reference = referenceOf(spec, given.loss, exact, UNCUT);
  const point = Float64Array.from(flat.subarray(0, layout.size));
  const { loss, gradient } = await reference.gradientAt(point);
  const found = lossOf(memory);
  if (Math.abs(found - loss) > 1e-5 * Math.max(1, Math.abs(loss)))
    problems.push(`loss ${found}, exactly ${loss}`);
  const whole = Math.hypot(...gradient);
  const error = relativeError(memory.gradient.subarray(0, layout.size), gradient);
  if (whole > 1e-6 && error > 1e-4) problems.push(`gradient: ${error} of ${whole}`);
  const random = RandomStream.of(given.seed, 'test/direction');
  const direction = Float64Array.from(gradient, () => (random.uniform() < 0.5 ? -1 : 1));
  const slope = await differentiateAtZero(
    by => reference.lossAt(point.map((value, i) => value + by * direction[i])),
    1e-7 * Math.max(1, whole),
  );
  const expected = gradient.reduce((sum, one, i) => sum + one * direction[i], 0);
  const off = Math.abs(slope.value - expected) - slope.uncertainty;
  if (off > 1e-5 * Math.max(1, whole)) problems.push(`slope ${slope.value}, by the gradient ${expected}`);
  return problems;
}

t.test('kernels in blocks compute the loss and gradient of the whole graph in float64', async t => {
  await holds(t, 12, async given => {
    // each with an engine of its own: WebAssembly has room for the code of so many models only
    const engine = await Engine.start('webasm');
    try {
      return await check(given, engine);
    } finally {
      await engine.close();
    }
  });
});

async function holds(
  t: Test,
  numRuns: number,
  problemsOf: (given: Case) => Promise<string[]>,
): Promise<void> {
  const result = await fc.check(
    fc.asyncProperty(cases, async given => {
      const problems = await problemsOf(given);
      if (problems.length > 0) throw new Error(problems.join('; '));
    }),
    { numRuns, seed: 1 },
  );
  t.notOk(result.failed, `${JSON.stringify(result.counterexample)}: ${result.errorInstance}`);
}

t.test('a schedule has every direction of every layer once, and the head after its inputs', async t => {
  fc.assert(
    fc.property(cases, fc.integer({ min: 1, max: 2000 }), ({ lengths, ...given }, steps) => {
      const spec = specOf({ ...given, lengths });
      const variableLength = lengths !== null;
      const { targetLength } = given;
      const blocks = makeSchedule(spec, { steps, targetLength, variableLength });
      const covered = new Map<string, number>();
      for (const { units, steps: own } of blocks) {
        for (const { layer, reverse } of units) {
          const key = `${layer}${reverse}`;
          covered.set(key, (covered.get(key) ?? 0) + own);
        }
      }
      const directions = spec.layers.reduce((n, { settings }) => n + (settings.bidirectional ? 2 : 1), 0);
      return (
        covered.size === directions &&
        [...covered].every(([key, sum]) => {
          const isOfDecoder = spec.decoder && Number.parseInt(key, 10) >= spec.decoder.firstLayer;
          return sum === (isOfDecoder ? targetLength + 1 : steps);
        }) &&
        blocks.filter(({ hasHead, closes }) => hasHead && closes).length === 1 &&
        blocks.at(-1)?.hasHead === true
      );
    }),
    { numRuns: 300 },
  );
  t.pass();
});

t.test('batches have few different lengths, the longest last, and little padding', async t => {
  fc.assert(
    fc.property(cases, fc.integer({ min: 1, max: 3000 }), (given, steps) => {
      const lengths = batchLengths(specOf(given), { steps, variableLength: true });
      const rising = lengths.every((length, i) => length > (lengths[i - 1] ?? 0));
      // of lengths uniform in 1..T, sorted, half are steps of a sequence
      const padded = lengths.reduce((sum, length, i) => sum + length * (length - (lengths[i - 1] ?? 0)), 0);
      return lengths.at(-1) === steps && rising && (steps < 16 || padded <= 0.64 * steps * steps);
    }),
    { numRuns: 300 },
  );
  t.pass();
});

t.test('equal models share programs and plans; different models do not', async t => {
  const programOf = (model: ShortModel, loss: LossSettings['kind'] = 'cross_entropy', batch = 2) => {
    const spec = modelOf(model, { outputSize: 3 });
    const shape = { batch, sequenceLength: 2, variableLength: false, training: true };
    return stepPrograms(spec, lossOfSettings({ kind: loss } as LossSettings), shape)[0].program;
  };
  const model = { cell: 'lstm', hidden_size: 3 };
  const program = programOf(model);
  t.equal(programOf({ ...model }), program);
  t.equal(makePlan(program), makePlan(programOf(model)));
  const others = [
    programOf({ ...model, hidden_size: 4 }),
    programOf({ ...model, cell: 'gru' }),
    programOf({ ...model, head: { from: 'mean' } }),
    programOf(model, 'mse'),
    programOf(model, 'cross_entropy', 3),
  ];
  t.equal(new Set([program, ...others]).size, 1 + others.length);
});

t.test('the most recently used entries are kept', async t => {
  const recent = new Recent<number>(2);
  let made = 0;
  const ask = (key: string) => recent.get(key, () => ++made);
  t.same(['a', 'b', 'a', 'c', 'a', 'b'].map(ask), [1, 2, 1, 3, 1, 4]);
});
