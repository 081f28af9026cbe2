/**
 * Decoding of models with a decoder: against PyTorch's, sequence by sequence, and, for a beam that
 * keeps all, against the probability of every possible output.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { Engine } from '../../src/engine/index.js';
import { KernelMachine } from '../../src/engine/linked-executable.js';
import type { Decoded } from '../../src/math/decoding/ctc.js';
import { DecoderSearch, type DecoderSettings, meanLogProbability } from '../../src/math/decoding/decoder.js';
import { lossOf } from '../../src/math/losses/index.js';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import type { ModelSpec } from '../../src/math/model/spec.js';
import { ScheduleWalk } from '../../src/math/model/walk.js';
import { paddedSize } from '../../src/math/optimizers/program.js';
import { sizeOf } from '../../src/train/shards.js';
import { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import { testedBackends } from '../support/backends.js';
import { GOLDENS, type Golden, golden, relativeError, splitOf } from '../support/goldens.js';
import { modelOf } from '../support/models.js';
import { goldenShard, initialParameters } from '../support/shards.js';

const loss = lossOf({ kind: 'cross_entropy', ofSymbols: true });

type Batch = Pick<Golden, 'spec' | 'loss' | 'batch' | 'steps' | 'targetLength' | 'split'>;

/** What is decoded of each row, and the logits of the given targets, [S, B, C]. */
async function decodedBy(engine: Engine, given: Batch, parameters: Float32Array, settings: DecoderSettings) {
  const { job, batches } = goldenShard(given as Golden, engine.backend, false, engine.heap);
  const [{ batch, rows, predictions }] = batches;
  const machine = new KernelMachine(engine);
  const walk = new ScheduleWalk(given.spec, loss, job.shape, machine);
  const search = new DecoderSearch(given.spec, loss, job.shape, machine, settings);
  const ofBatch = { ...sizeOf(batch), inputs: batch.inputs };
  engine.arrays.write(...Object.values(batch.inputs));
  await walk.evaluate(parameters, ofBatch, { rows, predictions });
  await engine.arrays.read(predictions);
  return { found: await search.search(parameters, walk, ofBatch), predictions };
}

/** Symbols of the longest output in the goldens. */
const LIMIT = 12;

for (const { backend, skip } of testedBackends) {
  t.test(`the outputs of PyTorch on ${backend}`, { skip }, async t => {
    const engine = await Engine.start(backend, {});
    t.teardown(() => engine.close());
    const names = GOLDENS.filter(one => golden(one).spec.decoder);
    // software Vulkan takes long to compile, and one model shows what is read and written
    for (const name of backend === 'webgpu' ? names.slice(0, 1) : names) {
      const expected = golden(name);
      for (const [beam, key] of [
        [1, 'greedy'],
        [4, 'beam'],
      ] as const) {
        const settings = { beam, limit: LIMIT, keepsWeights: true };
        const { found } = await decodedBy(engine, expected, initialParameters(expected), settings);
        const all = expected.values(`out.${key}`);
        found.forEach(([best], row) => {
          const own = [...all.subarray(row * LIMIT, (row + 1) * LIMIT)].filter(symbol => symbol >= 0);
          t.same(best.symbols, own, `${name}: ${key}, row ${row}`);
        });
        if (beam === 1) {
          checkAttention(t, expected, found);
          continue;
        }
        const means = found.map(([best]) => meanLogProbability(best, LIMIT));
        t.ok(relativeError(means, expected.values('out.beam_logprob')) < 1e-6, `${name}: probabilities`);
      }
    }
  });
}

/** By case and sequence, for each symbol of the greedy output, [symbols, T]; see `attention.py`. */
const ATTENTION: Readonly<Record<string, number[][][]>> = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/goldens/attention.json'), 'utf8'),
);

function checkAttention(
  t: Test,
  { name, split, steps }: Golden,
  found: readonly (readonly Decoded[])[],
): void {
  const rows = ATTENTION[basename(name)];
  found.forEach(([{ attended }], row) => {
    const length = split.lengths?.[row] ?? steps;
    const own = attended?.map(({ step, weights }) => [step, ...weights.slice(0, length)]);
    const expected = rows?.[row].map(weights => [
      weights.indexOf(Math.max(...weights)),
      ...weights.slice(0, length).map(weight => 255 * weight),
    ]);
    t.equal(own?.length, expected?.length ?? 0, `${name}: a step for each symbol, if there is attention`);
    const isNear = own?.every((one, i) => one.every((value, k) => Math.abs(value - expected![i][k]) < 0.51));
    t.ok(isNear, `${name}: what the symbols of row ${row} are read from`);
  });
}

const CLASSES = 2;
const LONGEST = 3;

/** All outputs of at most `LONGEST` symbols. */
function allOutputs(): number[][] {
  const longer = (list: number[]): number[][] =>
    list.length === LONGEST
      ? [list]
      : [list, ...Array.from({ length: CLASSES }, (_, k) => longer([...list, k])).flat()];
  return longer([]);
}

/** One sequence for each possible output, all of them alike. */
function batchOfOutputs(spec: ModelSpec, outputs: readonly number[][]): Batch {
  const steps = 2;
  const values = outputs.flatMap(list => Array.from({ length: LONGEST }, (_, i) => list[i] ?? -100));
  const x = Float32Array.from({ length: outputs.length * steps }, (_, i) => (i % steps) - 0.7);
  const split = splitOf({
    x,
    count: outputs.length,
    steps,
    targets: { kind: 'sequence', numClasses: CLASSES, size: LONGEST, values: Int32Array.from(values) },
  });
  const loss = { kind: 'cross_entropy', ofSymbols: true } as const;
  return { spec, loss, batch: outputs.length, steps, targetLength: LONGEST, split };
}

t.test('a beam that keeps everything finds the best of all outputs', async t => {
  const outputs = allOutputs();
  const engine = await Engine.start('webasm', {});
  t.teardown(() => engine.close());
  const attention = fc.constantFrom('none', 'general', 'additive');
  const property = fc.asyncProperty(attention, fc.nat(), async (attention, seed) => {
    const decoder = { cell: 'gru', hidden_size: 3, embedding_size: 2, attention };
    const spec = modelOf({ cell: 'gru', hidden_size: 2, decoder }, { outputSize: CLASSES + 1 });
    const layout = new ParameterLayout(spec);
    const parameters = new Float32Array(paddedSize(layout.size));
    const random = RandomStream.of(seed, 'test/weights');
    for (let i = 0; i < layout.size; i++) parameters[i] = 3 * random.normal();
    const given = batchOfOutputs(spec, outputs);
    // a longer limit than the outputs have, so that all of them can end
    const settings = { beam: 50, limit: LONGEST + 1, keepsWeights: false };
    const { found, predictions } = await decodedBy(engine, given, parameters, settings);
    const likelihoods = outputs.map((list, row) => {
      const logs = [...list, CLASSES].map((symbol, s) => {
        const at = (s * outputs.length + row) * (CLASSES + 1);
        const logits = predictions.subarray(at, at + CLASSES + 1);
        return logits[symbol] - Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0));
      });
      const total = logs.reduce((sum, one) => sum + one);
      return { symbols: list, logProbability: total, mean: total / logs.length };
    });
    const complete = found[0].filter(({ symbols }) => symbols.length <= LONGEST) as Decoded[];
    const ranked = likelihoods.sort((a, b) => b.mean - a.mean);
    return (
      complete.length === outputs.length &&
      complete.every(({ symbols, logProbability }, i) => {
        const isSame = JSON.stringify(symbols) === JSON.stringify(ranked[i].symbols);
        return isSame && Math.abs(logProbability - ranked[i].logProbability) < 1e-4;
      })
    );
  });
  await fc.assert(property, { numRuns: 12, seed: 1 });
});
