/**
 * A recurrent cell: one time step, written with ops. It knows neither batches nor the loop over
 * time.
 */
import type { Node } from '../graph/node.js';
import type { Shape } from '../graph/shape.js';
import { broadcast } from '../ops/broadcast.js';

export interface ParameterShape {
  /** PyTorch's name without layer, module and direction, such as `weight_ih`. */
  readonly name: string;
  /** PyTorch's shape. */
  readonly shape: Shape;
  /**
   * The same elements in the same order, with the gates as an axis of their own; at most three
   * axes.
   */
  readonly graphShape: Shape;
  /**
   * Whether the last axis is the layer's input: such a weight is read through `StepInput.times`.
   */
  readonly readsInput?: true;
  /** Initial constant; absent: uniform within 1/sqrt(hidden size). */
  readonly initial?: number;
}

/** The input of one step, which may have several parts. */
export interface StepInput {
  /** B. */
  readonly batch: number;
  /** x W^T for the weight `name`: [G, B, J] for a graph shape [G, J, K], [B, J] for [J, K]. */
  times(name: string): Node;
}

/** The parameters of one direction of a layer by name, except those that read the input. */
export type CellWeights = Readonly<Record<string, Node>>;

export interface CellState {
  readonly name: string;
  /** Numbers of a row: the state is `[B, size]`. */
  readonly size: number;
}

/** `Settings` is the config of a layer with this cell. */
export interface Cell<Settings> {
  /** Name of the recurrent module in weight names: `lstm.weight_ih_l0`. */
  readonly module: string;
  /** The states; the first is the layer's output. */
  states(settings: Settings): readonly CellState[];
  /** The parameters of one direction of a layer, in PyTorch's order. */
  parameters(inputSize: number, settings: Settings): readonly ParameterShape[];
  /**
   * The states after one step, in the order of `states`, which are null at a sequence's start (all
   * zero).
   */
  step(
    input: StepInput,
    states: readonly Node[] | null,
    weights: CellWeights,
    settings: Settings,
  ): readonly Node[];
}

/** A weight of `gates` gates of `rows` rows each. */
export function gateWeight(name: string, gates: number, rows: number, columns: number): ParameterShape {
  return { name, shape: [gates * rows, columns], graphShape: [gates, rows, columns] };
}

/** A bias of `gates` gates of `rows` numbers each. */
export function gateBias(name: string, gates: number, rows: number): ParameterShape {
  return { name, shape: [gates * rows], graphShape: [gates, rows] };
}

/** A bias [G, H] for each row of a batch: [G, B, H]. */
export function spreadBias(bias: Node, batch: number): Node {
  const [gates, size] = bias.shape;
  return broadcast(bias, [gates, batch, size], [0, 2]);
}
