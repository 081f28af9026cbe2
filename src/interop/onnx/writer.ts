/**
 * Writes ONNX graphs, encoded by field number after onnx/onnx.proto. Files are of IR version 8 and
 * opset 17 (ONNX 1.12, 2022), which current runtimes and those of distributions read.
 */
import { bytes, integer, message, string } from '../protobuf.js';

const IR_VERSION = 8;
const OPSET = 17;

/** TensorProto.DataType */
export const ELEMENT_TYPES = { float: 1, int32: 6, int64: 7, bool: 9, double: 11 } as const;
export type ElementType = keyof typeof ELEMENT_TYPES;

/** AttributeProto.AttributeType */
const ATTRIBUTES = { int: 2, string: 3, graph: 5, ints: 7, strings: 8 } as const;

/** The name of a value in a graph and its subgraphs. */
export type Value = string;

type Attribute = number | string | readonly number[] | readonly string[] | Subgraph;

export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  /** Names of dynamic axes, and sizes of the others. */
  readonly shape: readonly (number | string)[];
}

/** A graph that an operator such as Scan runs. */
export interface Subgraph {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly graph: GraphWriter;
}

export class GraphWriter {
  private readonly nodes: Uint8Array[] = [];
  private readonly constants = new Map<string, Uint8Array>();

  /** @param names used by this graph and its subgraphs, which read values of each other */
  constructor(private readonly names = { count: 0 }) {}

  subgraph(): GraphWriter {
    return new GraphWriter(this.names);
  }

  fresh(prefix: string): Value {
    return `${prefix}_${this.names.count++}`;
  }

  /** Adds a node with one output, and returns it. */
  add(op: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}): Value {
    return this.addAll(op, inputs, attributes, 1)[0];
  }

  /** Adds a node with several outputs. An input that is not given is the empty name. */
  addAll(
    op: string,
    inputs: readonly Value[],
    attributes: Readonly<Record<string, Attribute>>,
    count: number,
  ): Value[] {
    const outputs = Array.from({ length: count }, () => this.fresh(op.toLowerCase()));
    this.nodes.push(
      message(
        1,
        ...inputs.map(name => string(1, name)),
        ...outputs.map(name => string(2, name)),
        // ONNX Runtime derives names of its own from these, which must differ
        string(3, outputs[0]),
        string(4, op),
        ...Object.entries(attributes).map(([name, value]) => message(5, attribute(name, value))),
      ),
    );
    return outputs;
  }

  /** Gives `value` the name of an output. */
  output(value: Value, name: string): void {
    this.nodes.push(message(1, string(1, value), string(2, name), string(4, 'Identity')));
  }

  tensor(values: Float32Array | Float64Array, shape: readonly number[], name = this.fresh('weight')): Value {
    const type = values instanceof Float32Array ? 'float' : 'double';
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return this.constant(name, type, shape, data);
  }

  integers(values: readonly number[], isScalar = false): Value {
    const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    const name = `int64_${values.join('_')}${isScalar ? '' : '_list'}`.replaceAll('-', 'm');
    return this.constant(name, 'int64', isScalar ? [] : [values.length], data);
  }

  number(value: number, type: 'float' | 'double' = 'float'): Value {
    const values = type === 'float' ? Float32Array.of(value) : Float64Array.of(value);
    return this.tensor(values, []);
  }

  private constant(name: string, type: ElementType, shape: readonly number[], data: Uint8Array): Value {
    const dimensions = shape.map(size => integer(1, size));
    this.constants.set(
      name,
      message(5, ...dimensions, integer(2, ELEMENT_TYPES[type]), string(8, name), bytes(9, data)),
    );
    return name;
  }

  /** The fields of a GraphProto. */
  encode(name: string, inputs: readonly ValueInfo[], outputs: readonly ValueInfo[]): Uint8Array {
    return Buffer.concat([
      ...this.nodes,
      string(2, name),
      ...this.constants.values(),
      ...inputs.map(info => message(11, valueInfo(info))),
      ...outputs.map(info => message(12, valueInfo(info))),
    ]);
  }
}

function valueInfo({ name, type, shape }: ValueInfo): Uint8Array {
  const axes = shape.map(axis => message(1, typeof axis === 'number' ? integer(1, axis) : string(2, axis)));
  const tensor = message(1, integer(1, ELEMENT_TYPES[type]), message(2, ...axes));
  return Buffer.concat([string(1, name), message(2, tensor)]);
}

function attribute(name: string, value: Attribute): Uint8Array {
  const of = (type: keyof typeof ATTRIBUTES, ...fields: Uint8Array[]) =>
    Buffer.concat([string(1, name), ...fields, integer(20, ATTRIBUTES[type])]);
  if (typeof value === 'number') return of('int', integer(3, value));
  if (typeof value === 'string') return of('string', string(4, value));
  if ('graph' in value) {
    const { graph, inputs, outputs } = value;
    return of('graph', message(6, graph.encode(name, inputs, outputs)));
  }
  const isText = (list: readonly number[] | readonly string[]): list is readonly string[] =>
    typeof list[0] === 'string';
  return isText(value)
    ? of('strings', ...value.map(text => string(9, text)))
    : of('ints', ...value.map(number => integer(8, number)));
}

export interface ModelFile {
  readonly graph: Uint8Array;
  readonly producerVersion: string;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A ModelProto. */
export function encodeModel({ graph, producerVersion, description, metadata }: ModelFile): Uint8Array {
  return Buffer.concat([
    integer(1, IR_VERSION),
    string(2, 'cellrun'),
    string(3, producerVersion),
    string(6, description),
    message(7, graph),
    message(8, string(1, ''), integer(2, OPSET)),
    ...Object.entries(metadata).map(([key, value]) => message(14, string(1, key), string(2, value))),
  ]);
}
