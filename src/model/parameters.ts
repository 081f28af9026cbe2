/** A model's parameters: PyTorch's names and shapes, in one flat array. */
import { cells } from '../cells/index.js';
import { type Shape, sizeOf } from '../graph/shape.js';
import type { RandomStream } from '../random.js';
import type { ModelSpec } from './spec.js';

export interface Parameter {
  /** PyTorch's state_dict name, such as `lstm.weight_ih_l0`. */
  readonly name: string;
  /** PyTorch's shape. */
  readonly shape: Shape;
  /** The shape in the graph: the same elements in the same order. */
  readonly graphShape: Shape;
  /** Where it begins in the flat array. */
  readonly offset: number;
  readonly size: number;
  /** Initial values are uniform in (-bound, bound). */
  readonly bound: number;
}

/** All parameters of a model lie in one array, in state_dict order: an update or a norm is then one pass. */
export class ParameterLayout {
  readonly parameters: readonly Parameter[];
  /** Number of elements of all parameters. */
  readonly size: number;

  constructor(spec: ModelSpec) {
    let offset = 0;
    this.parameters = describe(spec).map(parameter => {
      const size = sizeOf(parameter.shape);
      const placed = { ...parameter, offset, size };
      offset += size;
      return placed;
    });
    this.size = offset;
  }

  /** Each parameter's part of `flat`, by name, sharing its memory. */
  views(flat: Float32Array): Record<string, Float32Array> {
    return Object.fromEntries(
      this.parameters.map(({ name, offset, size }) => [name, flat.subarray(offset, offset + size)]),
    );
  }

  /**
   * Fills `flat` with PyTorch's default initialisation: uniform within 1/sqrt(H) for the cells (torch.nn.RNNBase)
   * and within 1/sqrt(fan_in) for the head (torch.nn.Linear: Kaiming uniform with a = sqrt(5)).
   */
  initialise(flat: Float32Array, random: RandomStream): void {
    for (const { offset, size, bound } of this.parameters) {
      for (let i = 0; i < size; i++) flat[offset + i] = (random.uniform() * 2 - 1) * bound;
    }
  }
}

function describe({ cell: cellName, inputSize, hiddenSize, numLayers, outputSize }: ModelSpec) {
  const cell = cells[cellName];
  const bound = 1 / Math.sqrt(hiddenSize);
  const recurrent = Array.from({ length: numLayers }, (_, layer) =>
    cell
      .parameters(layer === 0 ? inputSize : hiddenSize, settingsOf(hiddenSize))
      .map(({ name, shape, graphShape }) => ({
        name: layerName(cell.module, name, layer),
        shape,
        graphShape,
        bound,
      })),
  ).flat();
  const head = [
    ['fc.weight', [outputSize, hiddenSize]],
    ['fc.bias', [outputSize]],
  ] as const;
  return [...recurrent, ...head.map(([name, shape]) => ({ name, shape, graphShape: shape, bound }))];
}

export function settingsOf(hiddenSize: number) {
  return { hidden_size: hiddenSize, nonlinearity: 'tanh' } as const;
}

export function layerName(module: string, parameter: string, layer: number): string {
  return `${module}.${parameter}_l${layer}`;
}
