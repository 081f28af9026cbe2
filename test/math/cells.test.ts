/**
 * What holds for every cell besides PyTorch's values (engine.test, verify.test): its parameters,
 * their initial values, and its first step.
 */
import t from 'tap';
import type { Cell, CellWeights, StepInput } from '../../src/math/cells/cell.js';
import { type CellName, cells, elsewhere } from '../../src/math/cells/index.js';
import { differentiate } from '../../src/math/graph/differentiate.js';
import { interpret } from '../../src/math/graph/interpret.js';
import { Graph, type Node } from '../../src/math/graph/node.js';
import { sizeOf } from '../../src/math/graph/shape.js';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import { contract } from '../../src/math/ops/contract.js';
import { addAll } from '../../src/math/ops/index.js';
import { RandomStream } from '../../src/util/random.js';
import { modelOf } from '../support/models.js';

type AnyCell = Cell<{ readonly hidden_size: number }>;

type Settings = { readonly hidden_size: number } & Readonly<Record<string, unknown>>;

/** An input of one part: the product with the whole weight. */
function wholeInput(x: Node, weights: CellWeights): StepInput {
  return {
    batch: x.shape[0],
    times(name) {
      const weight = weights[name];
      return contract(weight.shape.length === 3 ? 'bk,gjk->gbj' : 'bk,jk->bj', x, weight);
    },
  };
}

const { gru: _, ...others } = elsewhere;
// @ts-expect-error: a cell without what exports need of it does not compile
const withoutGru: typeof elsewhere = others;
t.notOk('gru' in withoutGru);

/** Settings of each cell that reach all of its code. */
const VARIANTS: readonly [CellName, Settings][] = [
  ['lstm', { hidden_size: 5 }],
  ['lstm', { hidden_size: 5, projection_size: 3 }],
  ['lstm', { hidden_size: 5, layer_norm: true }],
  ['gru', { hidden_size: 5 }],
  ['rnn', { hidden_size: 5, nonlinearity: 'relu' }],
  ['min_gru', { hidden_size: 5 }],
  ['min_lstm', { hidden_size: 5 }],
];

t.test("the first step is that of states that are zero, and so are the parameters' gradients", async t => {
  t.same(new Set(VARIANTS.map(([name]) => name)), new Set(Object.keys(cells)), 'every cell');
  for (const [name, settings] of VARIANTS) {
    const cell = cells[name] as AnyCell;
    const random = RandomStream.of(1, `${name} ${JSON.stringify(settings)}`);
    const graph = new Graph();
    const [batch, features] = [3, 4];
    const x = graph.input('x', [batch, features]);
    const parameters = cell.parameters(features, settings);
    const weights = Object.fromEntries(
      parameters.map(({ name, graphShape }) => [name, graph.input(name, graphShape)]),
    );
    const zeros = cell.states(settings).map(({ name, size }) => graph.input(name, [batch, size]));
    const cotangents = zeros.map(({ shape }, i) => graph.input(`cotangent${i}`, shape));
    const runs = [null, zeros].map(states => cell.step(wholeInput(x, weights), states, weights, settings));
    t.same(
      runs[0].map(({ shape }) => shape),
      zeros.map(({ shape }) => shape),
      'the states have the sizes that they are declared with',
    );
    const gradients = runs.map(results =>
      differentiate(results, cotangents, [x, ...Object.values(weights)], addAll),
    );
    const values = Object.fromEntries(
      graph.nodes
        .filter(({ op }) => !op)
        .map(node => {
          const isZero = zeros.includes(node);
          const value = () => (isZero ? 0 : random.uniform() * 2 - 1);
          return [node.name, Float64Array.from({ length: sizeOf(node.shape) }, value)];
        }),
    );
    const roots = [...runs.flat(), ...gradients.flat().filter(node => node !== null)];
    const known = interpret(roots, values);
    const data = (node: Node | null) => [...(node ? (known.get(node)?.data ?? []) : [])];
    const close = (a: readonly number[], b: readonly number[]) =>
      b.every((value, i) => Math.abs((a[i] ?? 0) - value) < 1e-12);
    runs[0].forEach((state, i) => {
      t.ok(close(data(state), data(runs[1][i])), `${name}: state ${i}`);
    });
    gradients[1].forEach((gradient, i) => {
      t.ok(close(data(gradients[0][i]), data(gradient)), `${name}: gradient ${i}`);
    });
  }
});

t.test('initial values are uniform within the bounds of torch.nn.RNNBase and torch.nn.Linear', async t => {
  const spec = modelOf({ cell: 'lstm', hidden_size: 50, num_layers: 2 }, { inputSize: 7, outputSize: 40 });
  const layout = new ParameterLayout(spec);
  const flat = new Float32Array(layout.size);
  layout.initialise(flat, RandomStream.of(3, 'initialise'));
  for (const { name, offset, size } of layout.parameters) {
    const values = flat.subarray(offset, offset + size);
    const bound = 1 / Math.sqrt(50);
    const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    t.ok(most <= bound && most > 0.8 * bound, `${name}: ${most} within ${bound}`);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    t.ok(Math.abs(mean) < (3 * bound) / Math.sqrt(values.length), `${name} has mean ${mean}`);
  }
  const names = layout.parameters.map(({ name, shape }) => `${name} ${shape.join('x')}`);
  const cell = (layer: number, inputs: number) => [
    `lstm.weight_ih_l${layer} 200x${inputs}`,
    `lstm.weight_hh_l${layer} 200x50`,
    `lstm.bias_ih_l${layer} 200`,
    `lstm.bias_hh_l${layer} 200`,
  ];
  t.same(
    names,
    [...cell(0, 7), ...cell(1, 50), 'fc.weight 40x50', 'fc.bias 40'],
    "PyTorch's names and shapes",
  );
});
