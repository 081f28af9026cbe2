/** Each cell unrolled over a short sequence, against PyTorch in float64, and its step at a sequence's start. */
import { join } from 'node:path';
import t from 'tap';
import type { Cell, CellWeights, StepInput } from '../src/cells/cell.js';
import { type CellName, cells } from '../src/cells/index.js';
import { readSafetensors } from '../src/experiment/safetensors.js';
import { differentiate } from '../src/graph/differentiate.js';
import { interpret } from '../src/graph/interpret.js';
import { Graph, type Node } from '../src/graph/node.js';
import { type Shape, sizeOf } from '../src/graph/shape.js';
import { add } from '../src/ops/add.js';
import { broadcast } from '../src/ops/broadcast.js';
import { contract } from '../src/ops/contract.js';
import { addAll } from '../src/ops/index.js';
import { logSumExp } from '../src/ops/log_sum_exp.js';
import { multiply } from '../src/ops/multiply.js';
import { oneHot } from '../src/ops/one_hot.js';
import { select } from '../src/ops/select.js';
import { subtract } from '../src/ops/subtract.js';
import { sum } from '../src/ops/sum.js';
import { RandomStream } from '../src/random.js';
import { packageRoot } from '../src/root.js';
import { relativeError, timeMajor } from './support/goldens.js';

type AnyCell = Cell<{ readonly hidden_size: number }>;

interface Case {
  readonly cell: CellName;
  readonly settings: { readonly hidden_size: number } & Readonly<Record<string, unknown>>;
  /** The recurrent module in the file's names. */
  readonly module: string;
  readonly numLayers: number;
}

/** Cases by the file below test/fixtures/goldens that has PyTorch's values. */
const CASES: Readonly<Record<string, Case>> = {
  lstm_base: { cell: 'lstm', settings: { hidden_size: 8 }, module: 'lstm', numLayers: 2 },
  gru: { cell: 'gru', settings: { hidden_size: 7 }, module: 'lstm', numLayers: 2 },
  rnn_tanh: { cell: 'rnn', settings: { hidden_size: 7, nonlinearity: 'tanh' }, module: 'lstm', numLayers: 2 },
  rnn_relu: { cell: 'rnn', settings: { hidden_size: 7, nonlinearity: 'relu' }, module: 'lstm', numLayers: 2 },
  'breadth/lstm_projection': {
    cell: 'lstm',
    settings: { hidden_size: 7, projection_size: 3 },
    module: 'lstm',
    numLayers: 2,
  },
  'breadth/layer_norm_lstm': {
    cell: 'lstm',
    settings: { hidden_size: 6, layer_norm: true },
    module: 'lstm',
    numLayers: 1,
  },
  'breadth/min_gru': { cell: 'min_gru', settings: { hidden_size: 6 }, module: 'min_gru', numLayers: 1 },
};

function goldenFile(name: string) {
  const { tensors } = readSafetensors(join(packageRoot, 'test/fixtures/goldens', `${name}.safetensors`));
  const tensor = (key: string) => {
    const found = tensors.get(key);
    if (!found) throw new Error(`${name} has no ${key}`);
    return found;
  };
  return {
    keys: [...tensors.keys()],
    shape: (key: string) => tensor(key).shape,
    values: (key: string) => Float64Array.from(tensor(key).data as Iterable<number | bigint>, Number),
  };
}

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

/** The layers' outputs at each step of `sequence`, and PyTorch's shapes of the parameters, which are inputs under the file's names. */
function unroll(graph: Graph, { cell, settings, module, numLayers }: Case, sequence: readonly Node[]) {
  const { parameters, step } = cells[cell] as AnyCell;
  const shapes: Record<string, Shape> = {};
  let outputs = [...sequence];
  for (let layer = 0; layer < numLayers; layer++) {
    const weights: Record<string, Node> = {};
    for (const { name, shape, graphShape } of parameters(outputs[0].shape[1], settings)) {
      const full = `${module}.${name}_l${layer}`;
      weights[name] = graph.input(full, graphShape);
      shapes[full] = shape;
    }
    let states: readonly Node[] | null = null;
    outputs = outputs.map(x => {
      states = step(wholeInput(x, weights), states, weights, settings);
      return states[0];
    });
  }
  return { outputs, shapes };
}

function dense(graph: Graph, h: Node, classes: number): Node {
  const product = contract('bk,ck->bc', h, graph.input('fc.weight', [classes, h.shape[1]]));
  return add(product, broadcast(graph.input('fc.bias', [classes]), product.shape, [1]));
}

function crossEntropy(z: Node, y: Node): Node {
  return subtract(logSumExp(z), sum(multiply(z, oneHot(y, z.shape[1])), [0]));
}

for (const [name, one] of Object.entries(CASES)) {
  t.test(`float64 ${name} is PyTorch's`, async t => {
    const { keys, shape, values } = goldenFile(name);
    const [batch, steps, features] = shape('x');
    const classes = shape('out.logits').at(-1) as number;
    const readsEvery = shape('y').length > 1;
    const lengths = keys.includes('lengths') ? values('lengths') : new Float64Array(batch).fill(steps);
    const isRead = (step: number, b: number) => (readsEvery ? step < lengths[b] : step === lengths[b] - 1);
    /** Where row `b` at `step` is in tensors that have the rows that are read. */
    const rowOf = (step: number, b: number) => (readsEvery ? b * steps + step : b);

    const graph = new Graph();
    const at = (input: string, width: number[]) => {
      const node = graph.input(input, [steps, batch, ...width]);
      return Array.from({ length: steps }, (_, step) => select(node, step));
    };
    const { outputs, shapes } = unroll(graph, one, at('x', [features]));
    const logits = outputs.map(h => dense(graph, h, classes));
    const y = at('y', []);
    const rows = logits.map((z, step) => crossEntropy(z, y[step]));
    const names = keys.filter(key => key.startsWith('param.')).map(key => key.slice('param.'.length));
    const known = graph.nodes.filter(node => !node.op && names.includes(node.name as string));
    t.same(
      { ...shapes, 'fc.weight': shape('param.fc.weight'), 'fc.bias': shape('param.fc.bias') },
      Object.fromEntries(names.map(name => [name, shape(`param.${name}`)])),
      'the parameters have their names and shapes',
    );
    const gradients = differentiate(rows, at('weight', []), known, addAll) as Node[];

    const perRow = (value: (step: number, b: number) => number) =>
      Float64Array.from({ length: steps * batch }, (_, i) => value(Math.floor(i / batch), i % batch));
    const count = perRow((step, b) => (isRead(step, b) ? 1 : 0)).reduce((sum, one) => sum + one);
    const labels = values('y');
    const results = interpret([...logits, ...gradients], {
      ...Object.fromEntries(names.map(name => [name, values(`param.${name}`)])),
      x: timeMajor(values('x'), batch, steps, features),
      y: perRow((step, b) => labels[rowOf(step, b)]),
      weight: perRow((step, b) => (isRead(step, b) ? 1 / count : 0)),
    });
    const expected = values('out.logits');
    logits.forEach((node, step) => {
      for (let b = 0; b < batch; b++) {
        if (!isRead(step, b)) continue;
        const row = (data: Float64Array | undefined, i: number) =>
          data?.subarray(i * classes, (i + 1) * classes) ?? [];
        const error = relativeError(row(results.get(node)?.data, b), row(expected, rowOf(step, b)));
        t.ok(error < 1e-12, `logits of row ${b} at step ${step}: ${error}`);
      }
    });
    known.forEach((node, i) => {
      const error = relativeError(results.get(gradients[i])?.data ?? [], values(`grad.${node.name}`));
      t.ok(error < 1e-12, `gradient of ${node.name}: ${error}`);
    });
  });
}

/** Settings of each cell that reach all of its code. */
const VARIANTS: readonly [CellName, Case['settings']][] = [
  ...Object.values(CASES).map(({ cell, settings }): [CellName, Case['settings']] => [cell, settings]),
  ['lstm', { hidden_size: 5, projection_size: 3, layer_norm: true }],
];

t.test('parameters are in the order of the modules', async t => {
  const names = (cell: CellName, settings: Case['settings']) =>
    (cells[cell] as AnyCell).parameters(4, settings).map(({ name }) => name);
  const products = ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'];
  const norms = ['norm_ih', 'norm_hh', 'norm_c'].flatMap(norm => [`${norm}_weight`, `${norm}_bias`]);
  for (const cell of ['lstm', 'gru', 'rnn'] as const) t.same(names(cell, { hidden_size: 3 }), products);
  t.same(names('lstm', { hidden_size: 3, projection_size: 2 }), [...products, 'weight_hr']);
  t.same(names('lstm', { hidden_size: 3, layer_norm: true }), [
    'weight_ih',
    'bias_ih',
    'weight_hh',
    'bias_hh',
    ...norms,
  ]);
  t.same(names('min_gru', { hidden_size: 3 }), ['weight_ih', 'bias_ih']);
});

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
