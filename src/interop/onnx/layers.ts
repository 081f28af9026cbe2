/**
 * Layers in ONNX: LSTM, GRU and RNN as its own operators, other cells as a Scan of their step; the
 * bridge and the attention of a decoder. Sequences are [T, B, D].
 */
import type { OnnxOperator } from '../../math/cells/cell.js';
import { elsewhereOf } from '../../math/cells/index.js';
import { Graph, type Node } from '../../math/graph/node.js';
import type { AttentionName } from '../../math/model/settings.js';
import {
  cellOf,
  encoderSize,
  type LayerSpec,
  type ModelSpec,
  type Unit,
  unitsOf,
} from '../../math/model/spec.js';
import { contract } from '../../math/ops/contract.js';
import type { Weight, Weights } from '../predictor.js';
import { writeNodes } from './ops.js';
import type { GraphWriter, Value, ValueInfo } from './writer.js';

export interface Steps {
  /** [T, B, D] */
  readonly x: Value;
  /** [B], int32; not given: all steps. */
  readonly lengths: Value;
  /** [T, B, 1], bool: whether a step is before the end of its sequence. */
  readonly isWithin: Value;
  /** [1], int64: B */
  readonly batch: Value;
}

export interface LayerResult {
  /** [T, B, D], the directions side by side. */
  readonly outputs: Value;
  /** [directions, B, size] of each state of the cell after the last step of each sequence. */
  readonly states: readonly Value[];
}

/** @param initial [directions, B, size] of each state; absent: zeros */
export function writeLayer(
  graph: GraphWriter,
  spec: ModelSpec,
  layer: number,
  steps: Steps,
  weights: Weights,
  initial?: readonly Value[],
): LayerResult {
  const { settings } = spec.layers[layer];
  const of = { graph, layer: spec.layers[layer], units: unitsOf(spec, layer), steps, weights, initial };
  const known = elsewhereOf(settings).onnx?.(settings);
  return known ? operator(of, known) : scan(of);
}

interface Layer {
  readonly graph: GraphWriter;
  readonly layer: LayerSpec;
  readonly units: readonly Unit[];
  readonly steps: Steps;
  readonly weights: Weights;
  readonly initial: readonly Value[] | undefined;
}

function operator(
  { graph, layer, units, steps, weights, initial = [] }: Layer,
  { operator, gates: order, attributes, activation }: OnnxOperator,
): LayerResult {
  const { settings } = layer;
  const { hidden_size: size } = settings;
  /** One weight of all directions: [directions, ...shape]. */
  const joined = (names: readonly string[], shape: readonly number[]): Value => {
    const parts = units.flatMap(unit =>
      names.flatMap(name => {
        const { data } = weights.get(weightName(layer, unit, name))!;
        const perGate = data.length / order.length;
        return order.map(gate => data.subarray(gate * perGate, (gate + 1) * perGate));
      }),
    );
    return graph.tensor(concatenated(parts), [units.length, ...shape]);
  };
  const rows = order.length * size;
  const inputs = layer.inputSizes.reduce((sum, one) => sum + one, 0);
  const [y, ...states] = graph.addAll(
    operator,
    [
      steps.x,
      joined(['weight_ih'], [rows, inputs]),
      joined(['weight_hh'], [rows, size]),
      joined(['bias_ih', 'bias_hh'], [2 * rows]),
      steps.lengths,
      ...initial,
    ],
    {
      hidden_size: size,
      direction: units.length === 2 ? 'bidirectional' : 'forward',
      ...attributes,
      ...(activation !== undefined && { activations: units.map(() => activation) }),
    },
    1 + cellOf(layer).states(settings).length,
  );
  // [T, directions, B, H] -> [T, B, directions * H]
  const beside = graph.add('Transpose', [y], { perm: [0, 2, 1, 3] });
  return { outputs: graph.add('Reshape', [beside, graph.integers([0, 0, -1])]), states };
}

function scan({ graph, layer, units, steps, weights, initial }: Layer): LayerResult {
  const sizes = cellOf(layer)
    .states(layer.settings)
    .map(({ size }) => size);
  const results = units.map((unit, direction) => {
    const states = sizes.map((size, i) =>
      initial
        ? graph.add('Gather', [initial[i], graph.integers([direction], true)], { axis: 0 })
        : graph.add('ConstantOfShape', [
            graph.add('Concat', [steps.batch, graph.integers([size])], { axis: 0 }),
          ]),
    );
    const body = scanBody({ graph, layer, unit, sizes, weights });
    const way = unit.reverse ? [1, 1] : [0, 0];
    return graph.addAll(
      'Scan',
      [...states, steps.x, steps.isWithin],
      {
        body,
        num_scan_inputs: 2,
        scan_input_directions: way,
        scan_output_directions: way.slice(1),
      },
      sizes.length + 1,
    );
  });
  const outputs = results.map(result => result[sizes.length]);
  return {
    outputs: outputs.length === 1 ? outputs[0] : graph.add('Concat', outputs, { axis: 2 }),
    states: sizes.map((_, i) => {
      const parts = results.map(result => graph.add('Unsqueeze', [result[i], graph.integers([0])]));
      return graph.add('Concat', parts, { axis: 0 });
    }),
  };
}

/** Any size: ops of a cell do not depend on that of the batch. */
const BATCH = 2;

/**
 * One step of a direction of a layer. After the end of a sequence, states stay as they are, as in
 * PyTorch's packed sequences; a reverse direction, which starts there, keeps zeros.
 */
function scanBody({
  graph: outer,
  layer,
  unit,
  sizes,
  weights,
}: Pick<Layer, 'graph' | 'layer' | 'weights'> & {
  readonly unit: Unit;
  readonly sizes: readonly number[];
}) {
  const graph = outer.subgraph();
  const cell = cellOf(layer);
  const width = layer.inputSizes.reduce((sum, size) => sum + size, 0);
  const info = (prefix: string, size: number, type: ValueInfo['type'] = 'float'): ValueInfo => ({
    name: graph.fresh(prefix),
    type,
    shape: ['batch', size],
  });
  const before = sizes.map(size => info('state', size));
  const [x, isWithin] = [info('x', width), info('within', 1, 'bool')];
  const ops = new Graph();
  const known = new Map<Node, Value>();
  const input = (name: string, shape: readonly number[], value: Value) => {
    const node = ops.input(name, shape);
    known.set(node, value);
    return node;
  };
  const step = input('x', [BATCH, width], x.name);
  const own: Record<string, Node> = {};
  for (const { name, graphShape } of cell.parameters(width, layer.settings)) {
    const { data } = weights.get(weightName(layer, unit, name))!;
    own[name] = input(name, graphShape, outer.tensor(data, graphShape));
  }
  const times = (name: string) =>
    contract(own[name].shape.length === 3 ? 'bk,gjk->gbj' : 'bk,jk->bj', step, own[name]);
  const states = before.map(({ name }, i) => input(`state.${i}`, [BATCH, sizes[i]], name));
  const after = writeNodes(graph, cell.step({ batch: BATCH, times }, states, own, layer.settings), known);
  const kept = after.map((value, i) => graph.add('Where', [isWithin.name, value, before[i].name]));
  const outputs = [...sizes.map(size => info('next', size)), info('output', sizes[0])];
  [...kept, kept[0]].forEach((value, i) => void graph.output(value, outputs[i].name));
  return { graph, inputs: [...before, x, isWithin], outputs };
}

/** First states of the decoder's layers, [1, B, size], from the encoder's final outputs [B, D]. */
export function writeBridge(graph: GraphWriter, spec: ModelSpec, final: Value, weights: Weights): Value[] {
  const { data, shape } = weights.get('decoder.bridge.bias')!;
  const product = graph.add('MatMul', [final, transposed(graph, weights.get('decoder.bridge.weight')!)]);
  const sum = graph.add('Add', [product, graph.tensor(data, shape)]);
  const all = graph.add('Unsqueeze', [graph.add('Tanh', [sum]), graph.integers([0])]);
  let at = 0;
  return spec.layers.slice(encoderSize(spec)).flatMap(layer =>
    cellOf(layer)
      .states(layer.settings)
      .map(({ size }) => {
        const ends = [at, at + size].map(end => graph.integers([end]));
        at += size;
        return graph.add('Slice', [all, ...ends, graph.integers([2])]);
      }),
  );
}

export interface Memory {
  /** [B, T, D] */
  readonly outputs: Value;
  /** [B, 1, T], bool: whether a step is before the end of its sequence. */
  readonly isWithin: Value;
}

/** tanh(W [context, h]) of the decoder's outputs h: both [B, S, H]. */
export function writeAttention(
  graph: GraphWriter,
  kind: AttentionName,
  h: Value,
  { outputs, isWithin }: Memory,
  weights: Weights,
): Value {
  const weight = (name: string) => weights.get(`decoder.${name}`)!;
  const product = (x: Value, name: string) => graph.add('MatMul', [x, transposed(graph, weight(name))]);
  const scores = (): Value => {
    if (kind === 'additive') {
      const query = graph.add('Unsqueeze', [product(h, 'attention.weight_h'), graph.integers([2])]);
      const keys = graph.add('Unsqueeze', [product(outputs, 'attention.weight_e'), graph.integers([1])]);
      const energies = graph.add('Tanh', [graph.add('Add', [query, keys])]);
      const { data, shape } = weight('attention.v');
      return graph.add('MatMul', [energies, graph.tensor(data, shape)]);
    }
    const query = kind === 'general' ? product(h, 'attention.weight') : h;
    return graph.add('MatMul', [query, graph.add('Transpose', [outputs], { perm: [0, 2, 1] })]);
  };
  const bounded = graph.add('Where', [isWithin, scores(), graph.number(-1e30)]);
  const alpha = graph.add('Softmax', [bounded], { axis: -1 });
  const context = graph.add('MatMul', [alpha, outputs]);
  return graph.add('Tanh', [product(graph.add('Concat', [context, h], { axis: -1 }), 'combine.weight')]);
}

function weightName({ module, number }: LayerSpec, { reverse }: Unit, name: string): string {
  return `${module}.${name}_l${number}${reverse ? '_reverse' : ''}`;
}

/** The columns from `first` to `last` of a weight [outputs, inputs]: [inputs, outputs]. */
export function transposed(
  graph: GraphWriter,
  { data, shape: [outputs, inputs] }: Weight,
  first = 0,
  last = inputs,
): Value {
  const count = last - first;
  const values = new Float32Array(count * outputs);
  for (let row = 0; row < outputs; row++) {
    for (let k = 0; k < count; k++) values[k * outputs + row] = data[row * inputs + first + k];
  }
  return graph.tensor(values, [count, outputs]);
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
