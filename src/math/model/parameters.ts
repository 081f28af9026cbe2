/** A model's parameters: PyTorch's names and shapes, in one flat array. */
import { sumOf } from '../../util/numbers.js';
import type { RandomStream } from '../../util/random.js';
import type { ParameterShape } from '../cells/cell.js';
import { type Shape, sizeOf } from '../graph/shape.js';
import type { AttentionName } from './settings.js';
import {
  cellOf,
  encoderSize,
  headSizes,
  type ModelSpec,
  outputSizes,
  type SymbolInput,
  symbolInputs,
  topLayer,
  type Unit,
  unitName,
  unitsOf,
} from './spec.js';

/** The other owners of parameters are embeddings and directions of layers (`unitName`). */
export const HEAD = 'head';
export const BRIDGE = 'bridge';
export const ATTENTION = 'attention';

/** Draws the initial value of element `index`. */
type Initial = (random: RandomStream, index: number) => number;

/** Columns of a parameter that lie together: those of one part of the layer's input, or all. */
interface Block {
  /** Its name as an input of the owner's program. */
  readonly input: string;
  readonly graphShape: Shape;
  readonly offset: number;
  readonly size: number;
  readonly firstColumn: number;
  readonly columns: number;
}

export interface Parameter {
  /** PyTorch's state_dict name, such as `lstm.weight_ih_l0`. */
  readonly name: string;
  readonly owner: string;
  readonly shape: Shape;
  /** In the flat array, where one block follows the other. */
  readonly offset: number;
  readonly size: number;
  readonly blocks: readonly Block[];
  readonly initial: Initial;
}

interface Description extends Pick<Parameter, 'name' | 'owner' | 'shape' | 'initial'> {
  /** Its name in the owner's program. */
  readonly local: string;
  readonly graphShape: Shape;
  /** Widths of the parts of its last axis, if it reads an input of parts. */
  readonly parts?: readonly number[];
}

/** All parameters lie in one array, in state_dict order: an update or a norm is then one pass. */
export class ParameterLayout {
  readonly parameters: readonly Parameter[];
  readonly size: number;

  constructor(spec: ModelSpec) {
    let offset = 0;
    this.parameters = describe(spec).map(description => {
      const placed = place(description, offset);
      offset += placed.size;
      return placed;
    });
    this.size = offset;
  }

  blocksOf(owner: string): Block[] {
    return this.parameters.filter(parameter => parameter.owner === owner).flatMap(({ blocks }) => blocks);
  }

  /** Fills `flat` with PyTorch's default initialisation of each module. */
  initialise(flat: Float32Array, random: RandomStream): void {
    for (const { offset, size, initial } of this.parameters) {
      for (let i = 0; i < size; i++) flat[offset + i] = initial(random, i);
    }
  }

  read<A extends Float32Array | Float64Array>({ shape, size, blocks }: Parameter, flat: A): A {
    const values = flat.slice(0, size) as A;
    const width = shape[shape.length - 1];
    forEachRow(blocks, width, (at, from, columns) => values.set(flat.subarray(from, from + columns), at));
    return values;
  }

  write({ shape, blocks }: Parameter, values: Float32Array, flat: Float32Array): void {
    const width = shape[shape.length - 1];
    forEachRow(blocks, width, (at, from, columns) => flat.set(values.subarray(at, at + columns), from));
  }
}

/** Each row of each block: `at` in PyTorch's order, `from` in the flat array. */
function forEachRow(
  blocks: readonly Block[],
  width: number,
  visit: (at: number, from: number, columns: number) => void,
): void {
  for (const { offset, size, firstColumn, columns } of blocks) {
    for (let row = 0; row < size / columns; row++) {
      visit(row * width + firstColumn, offset + row * columns, columns);
    }
  }
}

/** Uniform in (-bound, bound). */
const uniform =
  (bound: number): Initial =>
  random =>
    (random.uniform() * 2 - 1) * bound;

function place({ local, graphShape, parts, ...rest }: Description, offset: number): Parameter {
  const size = sizeOf(rest.shape);
  const widths = parts ?? [rest.shape[rest.shape.length - 1]];
  let firstColumn = 0;
  let next = offset;
  const blocks = widths.map((columns, part): Block => {
    const matrix = [...graphShape.slice(0, -1), parts ? columns : graphShape[graphShape.length - 1]];
    const block = {
      input: parts ? partName(local, part) : local,
      graphShape: matrix,
      offset: next,
      size: sizeOf(matrix),
      firstColumn,
      columns,
    };
    firstColumn += columns;
    next += block.size;
    return block;
  });
  return { ...rest, offset, size, blocks };
}

/** The block of weight `name` that part `part` of the input is multiplied by. */
export function partName(name: string, part: number): string {
  return `${name}:${part}`;
}

function describe(spec: ModelSpec): Description[] {
  const units = spec.layers.flatMap((_, layer) => unitsOf(spec, layer));
  const layers = (group: readonly Unit[]) => group.flatMap(unit => describeUnit(spec, unit));
  const isEncoder = ({ layer }: Unit) => layer < encoderSize(spec);
  return [
    ...symbolInputs(spec).map(describeEmbedding),
    ...layers(units.filter(isEncoder)),
    ...(spec.decoder ? [describeEmbedding(spec.decoder.symbols)] : []),
    ...layers(units.filter(unit => !isEncoder(unit))),
    ...describeBridge(spec),
    ...describeAttention(spec),
    ...describeHead(spec),
  ];
}

/** Mean 0 and variance 1. */
const normal: Initial = random => random.normal();

/** torch.nn.Embedding; the vector of symbol 0 may be zero. */
function describeEmbedding({ count, size, module, startsAtZero }: SymbolInput): Description {
  const shape = [count, size];
  const initial: Initial = (random, i) => (startsAtZero && i < size ? 0 : normal(random, i));
  return { name: `${module}.weight`, owner: module, local: 'weight', shape, graphShape: shape, initial };
}

/** torch.nn.Linear from the encoder's final outputs to all states of the decoder. */
function describeBridge(spec: ModelSpec): Description[] {
  if (!spec.decoder) return [];
  const states = spec.layers.slice(encoderSize(spec)).flatMap(layer =>
    cellOf(layer)
      .states(layer.settings)
      .map(({ size }) => size),
  );
  const count = states.length;
  const [size] = states;
  const parts = outputSizes(spec, encoderSize(spec) - 1);
  const width = sumOf(parts);
  const of = (local: string, shape: Shape, graphShape: Shape): Description => ({
    name: `decoder.bridge.${local}`,
    owner: BRIDGE,
    local,
    shape,
    graphShape,
    initial: uniform(1 / Math.sqrt(width)),
  });
  return [
    { ...of('weight', [count * size, width], [count, size, width]), parts },
    of('bias', [count * size], [count, size]),
  ];
}

/** Weights of the scores, and of the context and the decoder's output together. */
function describeAttention(spec: ModelSpec): Description[] {
  const { attention = 'none' } = spec.decoder ?? {};
  if (attention === 'none') return [];
  const parts = outputSizes(spec, encoderSize(spec) - 1);
  const width = sumOf(parts);
  const [size] = outputSizes(spec, topLayer(spec));
  const of = (name: string, shape: Shape, initial: Initial): Description => ({
    name: `decoder.${name}`,
    owner: ATTENTION,
    local: name,
    shape,
    graphShape: shape,
    initial,
  });
  const scaled = (fanIn: number): Initial => {
    const deviation = 1 / Math.sqrt(fanIn);
    return random => deviation * random.normal();
  };
  const combined = [...parts, size];
  const combine = of('combine.weight', [size, sumOf(combined)], uniform(1 / Math.sqrt(sumOf(combined))));
  const scores: Readonly<Record<AttentionName, readonly Description[]>> = {
    dot: [],
    general: [
      {
        ...of('attention.weight', [width, size], scaled(width)),
        graphShape: [parts.length, width / parts.length, size],
      },
    ],
    additive: [
      of('attention.weight_h', [size, size], scaled(size)),
      { ...of('attention.weight_e', [size, width], scaled(width)), parts },
      of('attention.v', [size], scaled(size)),
    ],
  };
  return [{ ...combine, parts: combined }, ...scores[attention]];
}

/** torch.nn.RNNBase. */
function describeUnit(spec: ModelSpec, unit: Unit): Description[] {
  const layer = spec.layers[unit.layer];
  const { settings, inputSizes, module, number } = layer;
  const inputSize = sumOf(inputSizes);
  const spread = uniform(1 / Math.sqrt(settings.hidden_size));
  const initialOf = ({ initial }: ParameterShape): Initial =>
    initial === undefined ? spread : () => initial;
  return cellOf(layer)
    .parameters(inputSize, settings)
    .map(parameter => ({
      name: `${module}.${parameter.name}_l${number}${unit.reverse ? '_reverse' : ''}`,
      owner: unitName(unit),
      local: parameter.name,
      shape: parameter.shape,
      graphShape: parameter.graphShape,
      initial: initialOf(parameter),
      ...(parameter.readsInput && { parts: inputSizes }),
    }));
}

/** torch.nn.Linear: Kaiming uniform with a = sqrt(5), which is uniform within 1/sqrt(fan_in). */
function describeHead(spec: ModelSpec): Description[] {
  const parts = headSizes(spec);
  const widths = [sumOf(parts), ...spec.head.hidden_sizes, spec.outputSize];
  return widths.slice(1).flatMap((outputs, i): Description[] => {
    const inputs = widths[i];
    const prefix = widths.length > 2 ? `fc.${i}` : 'fc';
    const initial = uniform(1 / Math.sqrt(inputs));
    const of = (name: string, shape: Shape) => ({
      name: `${prefix}.${name}`,
      owner: HEAD,
      local: `${i}.${name}`,
      shape,
      graphShape: shape,
      initial,
    });
    return [{ ...of('weight', [outputs, inputs]), ...(i === 0 && { parts }) }, of('bias', [outputs])];
  });
}
