/** What a recurrent cell is: one time step, written with ops. It knows neither the batch loop nor the time loop. */
import type { Node } from '../graph/node.js';
import type { Shape } from '../graph/shape.js';

export interface ParameterShape {
  /** PyTorch's name without layer and module, such as `weight_ih`. */
  readonly name: string;
  /** PyTorch's shape, which checkpoints carry. */
  readonly shape: Shape;
  /** The same elements in the same order, with the gates as an axis of their own. */
  readonly graphShape: Shape;
}

/** The weights of one layer by name, with their graph shapes. */
export type CellWeights = Readonly<Record<string, Node>>;

export interface Cell {
  /** Name of the recurrent module in weight names: `lstm.weight_ih_l0`. */
  readonly module: string;
  /** Names of the states, the output first. Each is `[B, H]`. */
  readonly states: readonly string[];
  /** The weights of one layer, in PyTorch's order. */
  parameters(inputSize: number, hiddenSize: number): readonly ParameterShape[];
  /** The states after one step over `input` `[B, F]`. `states` is null where all are zero, as at a sequence's start. */
  step(input: Node, states: readonly Node[] | null, weights: CellWeights): readonly Node[];
}
