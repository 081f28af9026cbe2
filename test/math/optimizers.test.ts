/**
 * Ten updates of every optimizer against float64 values of PyTorch and, for Lion, of its paper
 * (fixtures/optimizers/generate.py): the graph in float64, then the kernels of each backend.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Engine } from '../../src/engine/index.js';
import { interpret } from '../../src/math/graph/interpret.js';
import { optimizers } from '../../src/math/optimizers/index.js';
import type { ElementFactors, Optimizer } from '../../src/math/optimizers/optimizer.js';
import { paddedSize, updateProgram } from '../../src/math/optimizers/program.js';
import { createUpdater } from '../../src/train/trainer.js';
import { packageRoot } from '../../src/util/root.js';
import { testedBackends } from '../support/backends.js';
import { placed, update } from '../support/updates.js';

interface Case {
  readonly settings: { readonly kind: keyof typeof optimizers; readonly [key: string]: unknown };
  readonly weight_decay_on: 'all' | 'weights';
  /** Learning rate of the bias over that of the matrix. */
  readonly bias_rate?: number;
  readonly parameters: readonly (readonly number[])[];
  readonly average_decay?: number;
  readonly averages?: readonly (readonly number[])[];
}

interface Fixture {
  readonly start: readonly number[];
  /** Elements of the matrix; those after it are a bias. */
  readonly matrix: number;
  readonly gradients: readonly (readonly number[])[];
  readonly rates: readonly number[];
  readonly cases: readonly Case[];
}

const { start, matrix, gradients, rates, cases }: Fixture = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/optimizers/optimizers.json'), 'utf8'),
);
/** What gradients are given times too large; dividing by it is exact. */
const SCALE = 4;
const SIZE = start.length;
const ROWS = paddedSize(SIZE);

const optimizerFor = ({ settings }: Case) => optimizers[settings.kind] as Optimizer<unknown>;
const nameOf = ({ settings, weight_decay_on, bias_rate = 1 }: Case) =>
  `${JSON.stringify(settings)} on ${weight_decay_on}, bias at ${bias_rate}`;

function factorsOf({ weight_decay_on, bias_rate }: Case): ElementFactors<Float32Array> {
  const withBias = (factor: number) => padded(start.map((_, i) => (i < matrix ? 1 : factor)));
  return {
    ...(weight_decay_on === 'weights' && { decayed: withBias(0) }),
    ...(bias_rate !== undefined && { rates: withBias(bias_rate) }),
  };
}

function padded(values: readonly number[]): Float32Array {
  const array = new Float32Array(ROWS);
  array.set(values);
  return array;
}

function largestError(actual: ArrayLike<number>, expected: readonly number[]): number {
  return Math.max(...expected.map((value, i) => Math.abs(actual[i] - value)));
}

t.test('every optimizer has a case', async t => {
  const kinds = new Set(cases.map(({ settings }) => settings.kind));
  t.strictSame([...kinds].sort(), Object.keys(optimizers).sort());
});

t.test('the graph in float64 agrees with PyTorch', async t => {
  for (const one of cases) {
    const optimizer = optimizerFor(one);
    const factors = factorsOf(one);
    const names = Object.keys(factors) as (keyof typeof factors)[];
    const { outputs } = updateProgram(optimizer, one.settings, SIZE, names);
    const float64 = (values: readonly number[]) =>
      Float64Array.from({ length: ROWS }, (_, i) => values[i] ?? 0);
    const values: Record<string, ArrayLike<number>> = {
      parameter: float64(start),
      gradient_scale: [1 / SCALE],
      ...factors,
    };
    for (const name of optimizer.state(one.settings)) values[`state.${name}`] = new Float64Array(ROWS);
    const errors = gradients.map((gradient, i) => {
      values.gradient = float64(gradient).map(one => one * SCALE);
      for (const [name, value] of Object.entries(optimizer.scalars(one.settings, i + 1, rates[i])))
        values[name] = [value];
      const results = interpret([...outputs.values()], values);
      for (const [name, node] of outputs) values[name] = results.get(node)?.data as Float64Array;
      return largestError(values.parameter, one.parameters[i]);
    });
    const worst = Math.max(...errors);
    t.ok(worst < 1e-12, `${nameOf(one)}: ${worst}`);
  }
});

for (const { backend, skip } of testedBackends) {
  t.test(`the kernels of ${backend}`, { skip }, async t => {
    const engine = await Engine.start(backend);
    t.teardown(() => engine.close());
    for (const one of cases) {
      const updater = createUpdater(engine, optimizerFor(one), one.settings, SIZE, factorsOf(one));
      const parameters = placed(engine, padded(start));
      const average = engine.heap.allocate(parameters.length);
      let worst = 0;
      for (const [i, gradient] of gradients.entries()) {
        const scaled = placed(
          engine,
          padded(gradient).map(one => one * SCALE),
        );
        const at = { step: i + 1, learningRate: rates[i], scale: 1 / SCALE };
        t.equal((await update(engine, updater, [parameters, scaled], at)).length, 0);
        if (i === 0) engine.arrays.copy(parameters, average);
        else engine.arrays.approach(parameters, average, 1 - (one.average_decay ?? 0));
        await engine.arrays.read(parameters, average);
        worst = Math.max(worst, largestError(parameters, one.parameters[i]));
        if (one.averages) worst = Math.max(worst, largestError(average, one.averages[i]));
      }
      t.ok(worst < 2e-6, `${nameOf(one)}: ${worst}`);
    }
  });
}
