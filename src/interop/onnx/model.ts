/**
 * A trained model as an ONNX graph that contains the whole predictor: it reads the columns of the
 * data as they are, with NaN for missing values, or the numbers of symbols; prepares them as fitted
 * on the training split; and returns predictions in the units of the data.
 *
 * Inputs: `x` [batch, time, columns] and, for columns with one value per sequence, `static` [batch,
 * columns]; or `symbols` [batch, time]; and `lengths` [batch]. Steps after the end of a sequence
 * may have any values. Outputs: `logits` and `probabilities`, or `values`, of each sequence [batch,
 * C] or step [batch, time, C]. A model that carries states from one batch to the next also has an
 * input and an output for each of them, [directions, batch, size].
 *
 * A model with a decoder is two graphs. What the encoder returns are inputs of the decoder: first
 * states and, if there are any, `memory` [batch, steps, D], `memory_lengths` [batch] and `facts` of
 * sequences. The decoder also reads symbols, `previous` [batch, symbols], and returns `logits` and
 * `probabilities` of those that follow them [batch, symbols, C], and the next states.
 */
import { dataWidth, staticWidth } from '../../data/index.js';
import { heads, predictsEachStep } from '../../math/model/heads.js';
import {
  cellOf,
  encoderSize,
  hasAttention,
  type ModelInput,
  type ModelSpec,
  outputSizes,
  topLayer,
  unitsOf,
} from '../../math/model/spec.js';
import type { Source } from '../predictor.js';
import {
  type LayerResult,
  type Steps,
  transposed,
  writeAttention,
  writeBridge,
  writeLayer,
} from './layers.js';
import { activation } from './ops.js';
import { type Features, type Prepared, writePreparation } from './preparation.js';
import { ELEMENT_TYPES, GraphWriter, type Value, type ValueInfo } from './writer.js';

export type OnnxSource = Pick<Source, 'spec' | 'task' | 'data' | 'scaling' | 'outputScaling' | 'weights'>;

export const FILES = { model: 'model.onnx', encoder: 'encoder.onnx', decoder: 'decoder.onnx' } as const;

/** By the names of their files. */
export function writeModel(source: OnnxSource): ReadonlyMap<string, Uint8Array> {
  const write = () => new ModelWriter(source);
  if (!source.spec.decoder) return new Map([[FILES.model, write().model()]]);
  return new Map([
    [FILES.encoder, write().encoder()],
    [FILES.decoder, write().decoder()],
  ]);
}

/** The inputs for what one batch carries to the next. */
export function stateInputs(spec: ModelSpec): ValueInfo[] {
  if (!spec.carriesState) return [];
  return spec.layers.flatMap((_, layer) => statesOf(spec, layer));
}

function statesOf(spec: ModelSpec, layer: number): ValueInfo[] {
  const own = spec.layers[layer];
  const directions = unitsOf(spec, layer).length;
  return cellOf(own)
    .states(own.settings)
    .map(({ name, size }) => ({
      name: `state.${layer}.${name}`,
      type: 'float',
      shape: [directions, 'batch', size],
    }));
}

class ModelWriter {
  private readonly graph = new GraphWriter();
  private readonly outputs: ValueInfo[] = [];

  constructor(private readonly source: OnnxSource) {}

  model(): Uint8Array {
    const { graph, source, outputs } = this;
    const { inputs, steps, facts, top } = this.read();
    this.predict(this.dense(this.readByHead(top, steps), facts));
    return graph.encode('model', [...inputs, ...stateInputs(source.spec)], outputs);
  }

  encoder(): Uint8Array {
    const { graph, source, outputs } = this;
    const { inputs, steps, facts, top } = this.read();
    const values = [
      ...writeBridge(graph, source.spec, this.final(top), source.weights),
      ...(hasAttention(source.spec)
        ? [
            graph.add('Transpose', [top.outputs], { perm: [1, 0, 2] }),
            graph.add('Cast', [steps.lengths], { to: ELEMENT_TYPES.int64 }),
          ]
        : []),
      ...(facts === undefined ? [] : [facts]),
    ];
    this.passedOn().forEach((info, i) => void this.output(values[i], info));
    return graph.encode('encoder', inputs, outputs);
  }

  decoder(): Uint8Array {
    const { graph, source, outputs } = this;
    const { spec, weights } = source;
    const { symbols, attention } = spec.decoder!;
    const { data, shape } = weights.get(`${symbols.module}.weight`)!;
    const timeMajor = (value: Value) => graph.add('Transpose', [value], { perm: [1, 0, 2] });
    const previous = graph.add('Transpose', [PREVIOUS.name], { perm: [1, 0] });
    let x = graph.add('Gather', [graph.tensor(data, shape), previous]);
    ({ outputs: x } = this.layers([encoderSize(spec), spec.layers.length], { ...WHOLE, x }, true));
    if (attention !== 'none') {
      const shape = graph.add('Shape', [MEMORY]);
      const count = graph.add('Gather', [shape, graph.integers([1], true)], { axis: 0 });
      const isWithin = graph.add('Unsqueeze', [
        graph.add('Less', [this.range(count), graph.add('Unsqueeze', [MEMORY_LENGTHS, graph.integers([1])])]),
        graph.integers([1]),
      ]);
      const memory = { outputs: MEMORY, isWithin };
      x = timeMajor(writeAttention(graph, attention, timeMajor(x), memory, weights));
    }
    this.predict(this.dense(x, spec.statics.length > 0 ? FACTS : undefined));
    return graph.encode('decoder', [PREVIOUS, ...this.passedOn()], outputs);
  }

  /** What the encoder returns, and the decoder reads. */
  private passedOn(): ValueInfo[] {
    const { spec } = this.source;
    const first = encoderSize(spec);
    const info = (name: string, type: ValueInfo['type'], ...axes: (string | number)[]) => ({
      ...{ name, type },
      shape: ['batch', ...axes],
    });
    return [
      ...spec.layers.slice(first).flatMap((_, i) => statesOf(spec, first + i)),
      ...(hasAttention(spec)
        ? [info(MEMORY, 'float', 'steps', total(outputSizes(spec, first - 1))), info(MEMORY_LENGTHS, 'int64')]
        : []),
      ...(spec.statics.length > 0 ? [info(FACTS, 'float', total(spec.statics.map(({ size }) => size)))] : []),
    ];
  }

  /** Reads a batch of sequences with the layers that read the input. */
  private read() {
    const { graph, source } = this;
    const { spec, data } = source;
    const inputs = this.inputs();
    const [main] = inputs;
    const shape = graph.add('Shape', [main.name]);
    const batch = graph.add('Gather', [shape, graph.integers([0])], { axis: 0 });
    const time = graph.add('Gather', [shape, graph.integers([1])], { axis: 0 });
    const timeMajor = { perm: main.shape.length === 3 ? [1, 0, 2] : [1, 0] };
    const ofData = graph.add('Transpose', [main.name], timeMajor);
    const prepared: Prepared =
      data.input.kind === 'symbol'
        ? { steps: { symbols: [ofData] }, sequence: { symbols: [] } }
        : writePreparation(graph, { steps: ofData, sequence: inputs[1]?.name, batch }, source);
    const steps: Steps = { ...this.stacked(this.joined(spec.inputs, prepared.steps), { time }), batch };
    return {
      inputs: [...inputs, LENGTHS],
      steps,
      facts: spec.statics.length > 0 ? this.joined(spec.statics, prepared.sequence) : undefined,
      top: this.layers([0, encoderSize(spec)], steps, spec.carriesState),
    };
  }

  /** Some layers, from states that are inputs to those that are outputs if `isCarried`. */
  private layers([first, end]: readonly [number, number], steps: Steps, isCarried: boolean): LayerResult {
    const { graph, source } = this;
    const { spec, weights } = source;
    let result: LayerResult = { outputs: steps.x, states: [] };
    for (let layer = first; layer < end; layer++) {
      const states = isCarried ? statesOf(spec, layer) : undefined;
      const initial = states?.map(({ name }) => name);
      result = writeLayer(graph, spec, layer, { ...steps, x: result.outputs }, weights, initial);
      const ends = result.states;
      states?.forEach((info, i) => void this.output(ends[i], { ...info, name: `next_${info.name}` }));
    }
    return result;
  }

  private inputs(): ValueInfo[] {
    const { data } = this.source;
    if (data.input.kind === 'symbol') return [{ name: 'symbols', type: 'int64', shape: ['batch', 'time'] }];
    const statics = staticWidth(data);
    const ofSteps = dataWidth(data) - statics;
    return [
      { name: 'x', type: 'float', shape: ['batch', 'time', ofSteps] },
      ...(statics > 0 ? [{ name: 'static', type: 'float', shape: ['batch', statics] } as const] : []),
    ];
  }

  /** What the lowest layer reads of a step, or the head of a sequence, side by side. */
  private joined(inputs: readonly ModelInput[], { numbers, symbols }: Features): Value {
    const { graph, source } = this;
    let symbol = 0;
    const parts = inputs.map(input => {
      if (input.kind === 'number') return numbers as Value;
      const table = source.weights.get(`${input.module}.weight`)!;
      return graph.add('Gather', [graph.tensor(table.data, table.shape), symbols[symbol++]]);
    });
    return parts.length === 1 ? parts[0] : graph.add('Concat', parts, { axis: -1 });
  }

  /** The steps of the model from those of the data, and which of them are within a sequence. */
  private stacked(x: Value, { time }: { readonly time: Value }): Omit<Steps, 'batch'> {
    const { graph, source } = this;
    const { stack = 1, repeat = 1 } = source.spec.steps ?? {};
    const within = (length: Value, count: Value) => {
      const column = graph.add('Unsqueeze', [this.range(graph.add('Squeeze', [count])), graph.integers([1])]);
      return graph.add('Unsqueeze', [graph.add('Less', [column, length]), graph.integers([2])]);
    };
    let [steps, lengths, count] = [x, LENGTHS.name, time];
    if (stack > 1) {
      const [less, by] = [stack - 1, stack].map(value => graph.integers([value]));
      // steps after the end of a sequence are zeros
      steps = graph.add('Where', [within(lengths, time), steps, graph.number(0)]);
      lengths = graph.add('Div', [graph.add('Add', [lengths, less]), by]);
      count = graph.add('Div', [graph.add('Add', [time, less]), by]);
      const added = graph.add('Sub', [graph.add('Mul', [count, by]), time]);
      const pads = graph.add('Concat', [graph.integers([0, 0, 0]), added, graph.integers([0, 0])], {
        axis: 0,
      });
      const whole = graph.add('Pad', [steps, pads]);
      // [T, B, F] -> [T / k, k, B, F] -> [T / k, B, k * F]
      const groups = graph.add('Concat', [count, by, graph.integers([-1])], { axis: 0 });
      const width = graph.add('Gather', [graph.add('Shape', [steps]), graph.integers([2])], { axis: 0 });
      const four = graph.add('Concat', [groups, width], { axis: 0 });
      const grouped = graph.add('Transpose', [graph.add('Reshape', [whole, four])], { perm: [0, 2, 1, 3] });
      steps = graph.add('Reshape', [grouped, graph.integers([0, 0, -1])]);
    }
    if (repeat > 1) {
      const by = graph.integers([repeat]);
      const spread = graph.add('Unsqueeze', [steps, graph.integers([1])]);
      const copies = graph.add('Expand', [spread, graph.integers([1, repeat, 1, 1])]);
      lengths = graph.add('Mul', [lengths, by]);
      count = graph.add('Mul', [count, by]);
      const shape = graph.add('Shape', [steps]);
      const rest = graph.add('Slice', [shape, graph.integers([1]), graph.integers([3])]);
      steps = graph.add('Reshape', [copies, graph.add('Concat', [count, rest], { axis: 0 })]);
    }
    return {
      x: steps,
      isWithin: within(lengths, count),
      lengths: graph.add('Cast', [lengths], { to: ELEMENT_TYPES.int32 }),
    };
  }

  /** 0 to `count`, which is a scalar. */
  private range(count: Value): Value {
    const [zero, one] = [0, 1].map(value => this.graph.integers([value], true));
    return this.graph.add('Range', [zero, count, one]);
  }

  private output(value: Value, info: ValueInfo): void {
    this.graph.output(value, info.name);
    this.outputs.push(info);
  }

  /** [B, D], or [T, B, D] if there is a prediction for each step. */
  private readByHead(top: LayerResult, { isWithin, lengths }: Steps): Value {
    const { graph, source } = this;
    const { from } = source.spec.head;
    const { reads } = heads[from];
    const { outputs } = top;
    if (reads === 'each') return outputs;
    if (reads === 'states') return this.final(top);
    const pooled = (op: string, values: Value) =>
      op === 'ReduceMax'
        ? graph.add(op, [values], { axes: [0], keepdims: 0 })
        : graph.add(op, [values, graph.integers([0])], { keepdims: 0 });
    if (from === 'max') {
      const lowest = graph.number(-1e30);
      return pooled('ReduceMax', graph.add('Where', [isWithin, outputs, lowest]));
    }
    const sumOf = (counts: Value) =>
      pooled('ReduceSum', graph.add('Where', [counts, outputs, graph.number(0)]));
    if (from === 'mean') {
      const column = graph.add('Unsqueeze', [lengths, graph.integers([1])]);
      return graph.add('Div', [sumOf(isWithin), graph.add('Cast', [column], { to: ELEMENT_TYPES.float })]);
    }
    // the last step of each sequence is within it, the next one is not
    const numbers = graph.add('Cast', [isWithin], { to: ELEMENT_TYPES.int32 });
    const place = graph.add('CumSum', [numbers, graph.integers([0], true)]);
    const last = graph.add('Unsqueeze', [lengths, graph.integers([1])]);
    return sumOf(graph.add('And', [isWithin, graph.add('Equal', [place, last])]));
  }

  /** [directions, B, D] -> [B, directions * D] */
  private final({ states }: LayerResult): Value {
    const rows = this.graph.add('Transpose', [states[0]], { perm: [1, 0, 2] });
    return this.graph.add('Reshape', [rows, this.graph.integers([0, -1])]);
  }

  /** fc layers. @param facts what the head reads of a sequence, besides `read` */
  private dense(read: Value, facts: Value | undefined): Value {
    const { graph, source } = this;
    const { spec, weights } = source;
    const { hidden_sizes: hidden, activation: name } = spec.head;
    const prefix = (i: number) => (hidden.length > 0 ? `fc.${i}` : 'fc');
    const bias = (i: number) => {
      const { data, shape } = weights.get(`${prefix(i)}.bias`)!;
      return graph.tensor(data, shape);
    };
    const product = (x: Value, i: number, ...columns: readonly number[]) => {
      const weight = transposed(graph, weights.get(`${prefix(i)}.weight`)!, ...columns);
      return graph.add('MatMul', [x, weight]);
    };
    const width = total(outputSizes(spec, topLayer(spec)));
    let z = product(read, 0, 0, width);
    if (facts !== undefined) z = graph.add('Add', [z, product(facts, 0, width)]);
    z = graph.add('Add', [z, bias(0)]);
    hidden.forEach((_, i) => {
      z = graph.add('Add', [product(activation(graph, z, name), i + 1), bias(i + 1)]);
    });
    return predictsEachStep(spec.head) ? graph.add('Transpose', [z], { perm: [1, 0, 2] }) : z;
  }

  private predict(z: Value): void {
    const { graph, source } = this;
    const { spec, task, outputScaling } = source;
    const { stack = 1, repeat = 1 } = spec.steps ?? {};
    const time = spec.decoder ? 'symbols' : stack === 1 && repeat === 1 ? 'time' : 'steps';
    const shape = ['batch', ...(predictsEachStep(spec.head) ? [time] : []), spec.outputSize];
    const info = (name: string): ValueInfo => ({ name, type: 'float', shape });
    if (task !== 'values') {
      const op = task === 'labels' ? graph.add('Sigmoid', [z]) : graph.add('Softmax', [z], { axis: -1 });
      this.output(z, info('logits'));
      this.output(op, info('probabilities'));
      return;
    }
    if (!outputScaling) {
      this.output(z, info('values'));
      return;
    }
    const list = (values: readonly number[]) => graph.tensor(Float64Array.from(values), [values.length]);
    const exact = graph.add('Cast', [z], { to: ELEMENT_TYPES.double });
    const scaled = graph.add('Mul', [exact, list(outputScaling.scale)]);
    const values = graph.add('Add', [scaled, list(outputScaling.offset)]);
    this.output(graph.add('Cast', [values], { to: ELEMENT_TYPES.float }), info('values'));
  }
}

const LENGTHS: ValueInfo = { name: 'lengths', type: 'int64', shape: ['batch'] };
const PREVIOUS: ValueInfo = { name: 'previous', type: 'int64', shape: ['batch', 'symbols'] };
const [MEMORY, MEMORY_LENGTHS, FACTS] = ['memory', 'memory_lengths', 'facts'];

/** Of the cells of a decoder, which are ONNX's own operators: these read all steps. */
const WHOLE: Omit<Steps, 'x'> = { lengths: '', isWithin: '', batch: '' };

function total(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}
