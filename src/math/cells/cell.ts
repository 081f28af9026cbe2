/** Interface of recurrent cells: one time step, written with ops. */
import * as s from '../../util/schema.js';
import type { Node } from '../graph/node.js';
import type { Shape as TensorShape } from '../graph/shape.js';
import { broadcast } from '../ops/broadcast.js';

export interface ParameterShape {
  /** PyTorch's name without module, layer and direction, such as `weight_ih`. */
  readonly name: string;
  /** PyTorch's shape. */
  readonly shape: TensorShape;
  /** With the gates as a separate axis: the same elements in the same order. */
  readonly graphShape: TensorShape;
  /**
   * True if the last axis is the layer's input. Such a weight is read through `StepInput.times`.
   */
  readonly readsInput?: true;
  /** Constant initial value. Absent: uniform in ±1/sqrt(hidden size). */
  readonly initial?: number;
}

/** Input of one step, which may consist of several parts. */
export interface StepInput {
  readonly batch: number;
  /** x W^T for the weight `name`: [G, B, J] for a graph shape [G, J, K], [B, J] for [J, K]. */
  times(name: string): Node;
}

/** Parameters of one direction of a layer by name, except those that read the input. */
export type CellWeights = Readonly<Record<string, Node>>;

/** `[B, size]`. */
export interface CellState {
  readonly name: string;
  readonly size: number;
}

/** A recurrent cell. `Settings` is the config of a layer that uses it. */
export interface Cell<Settings> {
  /** States of the cell; the first is the layer's output. */
  states(settings: Settings): readonly CellState[];
  /** Names of the results of its activation functions, in the order of `step`. */
  readonly gates: readonly string[];
  /** Parameters of one direction of a layer, in PyTorch's order. */
  parameters(inputSize: number, settings: Settings): readonly ParameterShape[];
  /** The next states; `states` is null at the start of a sequence, where all are zero. */
  step(
    input: StepInput,
    states: readonly Node[] | null,
    weights: CellWeights,
    settings: Settings,
  ): readonly Node[];
}

/** How other libraries compute layers of a cell. */
export interface CellElsewhere<Settings> {
  /** A module of `torch.nn`; for a cell that it does not have, one step in Python. */
  pytorch(settings: Settings): TorchModule | PythonStep;
  /** An operator of ONNX; absent or undefined: a Scan of the cell's step. */
  onnx?(settings: Settings): OnnxOperator | undefined;
}

/** Its parameters have the names, shapes and order of those of the cell. */
export interface TorchModule {
  /** Such as `LSTM`. */
  readonly module: string;
  /** Besides sizes and directions. */
  readonly arguments?: Readonly<Record<string, string | number>>;
}

export interface PythonStep {
  /**
   * The lines of a function that returns the next states, indented by four. It has the parameters
   * of one direction by name in `weights`, the input `x` [B, F], and each state by its name.
   */
  readonly step: string;
}

/** It reads `weight_ih`, `weight_hh` and both biases. */
export interface OnnxOperator {
  readonly operator: string;
  /** The cell's gates in the order of ONNX. */
  readonly gates: readonly number[];
  readonly attributes?: Readonly<Record<string, number>>;
  /** Its activation function, if the operator has several. */
  readonly activation?: string;
}

export function gateWeight(name: string, gates: number, rows: number, columns: number): ParameterShape {
  return { name, shape: [gates * rows, columns], graphShape: [gates, rows, columns] };
}

export function gateBias(name: string, gates: number, rows: number): ParameterShape {
  return { name, shape: [gates * rows], graphShape: [gates, rows] };
}

/** Repeats a bias [G, H] for each row of a batch: [G, B, H]. */
export function spreadBias(bias: Node, batch: number): Node {
  const [gates, size] = bias.shape;
  return broadcast(bias, [gates, batch, size], [0, 2]);
}

const hiddenSize = s.integer({
  name: 'hidden_size',
  description: 'Hidden units per recurrent layer.',
  min: 1,
  max: 16384,
  examples: [128],
  aliases: ['hidden', 'units', 'hidden_dim', 'num_units', 'hidden_units'],
  required: true,
});

const bidirectional = s.boolean({
  name: 'bidirectional',
  description:
    'Whether the layer also reads each sequence from end to start, with a second set of weights. The next layer reads the outputs of both directions.',
  default: false,
  examples: [true],
  aliases: ['bi', 'bidir', 'bi_directional', 'birnn', 'both_directions'],
});

/** A cell and what a config says about a layer of it. */
interface CellKind<Name extends string, P extends s.Fields>
  extends Cell<s.Mapping<P> & { readonly hidden_size: number }> {
  readonly cell: Name;
  readonly description: string;
  /** Keys of a layer besides its size and directions. */
  readonly keys: P;
}

export const cell = <const Name extends string, P extends s.Fields>(kind: CellKind<Name, P>) => {
  const { cell: name, description, keys } = kind;
  const tag = s.tag(name, { description, aliases: ['kind', 'type'] });
  const all = { cell: tag, hidden_size: hiddenSize, ...keys, bidirectional };
  return { ...kind, settings: s.section(all, { description }) };
};
