/** What a recurrent cell is: one time step, written with ops. It knows neither batches nor the walk through time. */
import type { Node } from '../graph/node.js';
import type { Shape } from '../graph/shape.js';
import { broadcast } from '../ops/broadcast.js';
import { contract } from '../ops/contract.js';

export interface ParameterShape {
  /** PyTorch's name without layer, module and direction, such as `weight_ih`. */
  readonly name: string;
  /** PyTorch's shape. */
  readonly shape: Shape;
  /** The same elements in the same order, with the gates as an axis of their own; at most three axes. */
  readonly graphShape: Shape;
  /** Whether the last axis is the layer's input: such a weight is read through `StepInput.times`. */
  readonly readsInput?: true;
  /** The constant that it starts with; absent: uniform within 1/sqrt(hidden size). */
  readonly initial?: number;
}

/** The input of one step, whatever parts it consists of. */
export interface StepInput {
  /** B. */
  readonly batch: number;
  /** x W^T for the weight `name`: [G, B, J] for a graph shape [G, J, K], [B, J] for [J, K]. */
  times(name: string): Node;
}

/** The parameters of one direction of a layer by name, but for those that read the input. */
export type CellWeights = Readonly<Record<string, Node>>;

export interface CellState {
  readonly name: string;
  /** Numbers of a row: the state is `[B, size]`. */
  readonly size: number;
}

/** `Settings` is what a config says of a layer with this cell. */
export interface Cell<Settings> {
  /** Name of the recurrent module in weight names: `lstm.weight_ih_l0`. */
  readonly module: string;
  /** The states; the first is the layer's output. */
  states(settings: Settings): readonly CellState[];
  /** The parameters of one direction of a layer, in PyTorch's order. */
  parameters(inputSize: number, settings: Settings): readonly ParameterShape[];
  /** The states after one step, in the order of `states`, which are null at a sequence's start (all zero). */
  step(
    input: StepInput,
    states: readonly Node[] | null,
    weights: CellWeights,
    settings: Settings,
  ): readonly Node[];
}

/** `count` gates of H numbers in one weight [count * H, columns], as torch stacks them. */
export function gateWeight(name: string, count: number, hiddenSize: number, columns: number): ParameterShape {
  return { name, shape: [count * hiddenSize, columns], graphShape: [count, hiddenSize, columns] };
}

/** The same for a vector [count * H]. */
export function gateVector(name: string, count: number, hiddenSize: number): ParameterShape {
  return { name, shape: [count * hiddenSize], graphShape: [count, hiddenSize] };
}

/** `count` gates of the input. */
export function inputWeight(count: number, hiddenSize: number, inputSize: number): ParameterShape {
  return { ...gateWeight('weight_ih', count, hiddenSize, inputSize), readsInput: true };
}

/** A vector [G, H] for each row: [G, B, H]. */
export function forEachRow(vector: Node, batch: number): Node {
  const [gates, hiddenSize] = vector.shape;
  return broadcast(vector, [gates, batch, hiddenSize], [0, 2]);
}

/** h W^T: [B, K], [G, J, K] -> [G, B, J]. */
export function gatesOf(h: Node, weight: Node): Node {
  return contract('bk,gjk->gbj', h, weight);
}
