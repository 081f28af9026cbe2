/** Looks into the cells of a model: states and gates at each step of a sequence, in float64. */
import { HostArrays } from '../graph/arrays.js';
import { interpret } from '../graph/interpret.js';
import { type CellNodes, type Node, type Program, reachable } from '../graph/node.js';
import type { Tensor } from '../graph/shape.js';
import type { Loss } from '../losses/loss.js';
import { type InputOptions, isOfDecoder, predictionsOf } from './inputs.js';
import { planBlocks, type WalkShape } from './runs.js';
import { cellOf, type ModelSpec } from './spec.js';
import { type Machine, ScheduleWalk, type WalkBatch } from './walk.js';

/** Computes programs in float64 with the references of the ops, independently of every kernel. */
export function interpreter(
  observe?: (program: Program, values: ReadonlyMap<Node, Tensor>) => void,
): Machine<Float64Array> {
  const programs = new Map<string, Program>();
  return {
    arrays: new HostArrays(),
    allocate: size => new Float64Array(size),
    async run({ key, make }, values, into) {
      const program = programs.get(key) ?? make();
      programs.set(key, program);
      const known = interpret([...program.outputs.values()], values);
      observe?.(program, known);
      return Object.fromEntries(
        [...program.outputs].map(([name, node]) => {
          const { data } = known.get(node)!;
          into[name]?.set(data);
          return [name, into[name] ?? data];
        }),
      );
    },
  };
}

/** What a direction of a layer computed. */
export interface CellTrace {
  readonly layer: number;
  readonly reverse: boolean;
  /** By the name of a state or gate: the values of the units at each step, [T][H]. */
  readonly values: Record<string, Float64Array[]>;
}

/**
 * The states and gates of all layers that read the input, over one sequence.
 * @param batch of one row
 */
export async function traceCells(
  spec: ModelSpec,
  loss: Loss,
  parameters: Float64Array,
  batch: WalkBatch<Float64Array> & Pick<InputOptions, 'variableLength'>,
): Promise<CellTrace[]> {
  const { steps, targetLength, variableLength } = batch;
  const shape: WalkShape = { variableLength, training: false, batch: 1, sequenceLength: steps, targetLength };
  const blocks = planBlocks(spec, loss, shape, batch);
  const found = new Map<string, CellTrace>();
  let runs = 0;
  const machine = interpreter(({ cells = [] }, known) => {
    const { block } = blocks[runs++];
    for (const nodes of cells) {
      const { layer, reverse } = block.units[nodes.unit];
      if (isOfDecoder(spec, layer)) continue;
      const key = `${layer} ${reverse}`;
      const { values } = found.get(key) ?? { values: {} as CellTrace['values'] };
      found.set(key, { layer, reverse, values });
      for (const [name, data] of insideOf(nodes, spec.layers[layer], known)) {
        values[name] ??= [];
        values[name][block.start + nodes.step] = data;
      }
    }
  });
  await new ScheduleWalk(spec, loss, shape, machine).evaluate(parameters, batch, {
    rows: new Float64Array(batch.inputs.weight.length),
    predictions: new Float64Array(predictionsOf(spec, steps, targetLength) * spec.outputSize),
  });
  return [...found.values()];
}

/** The states, and the gates: the results of the activation functions, in their order. */
function* insideOf(
  { states, outside }: CellNodes,
  layer: ModelSpec['layers'][number],
  known: ReadonlyMap<Node, Tensor>,
): Generator<readonly [name: string, units: Float64Array]> {
  const cell = cellOf(layer);
  for (const [i, { name }] of cell.states(layer.settings).entries()) yield [name, known.get(states[i])!.data];
  const gates = [...cell.gates];
  for (const node of reachable(states, outside)) {
    if (node.op?.name !== 'activate') continue;
    const { data } = known.get(node)!;
    const [count, size] =
      node.shape.length === 3 ? [node.shape[0], data.length / node.shape[0]] : [1, data.length];
    for (const [gate, name] of gates.splice(0, count).entries())
      yield [name, data.slice(gate * size, (gate + 1) * size)];
  }
}
