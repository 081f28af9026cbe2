/** The update of all parameters, in one flat array, as a graph: each result is one kernel. */
import { Graph, type Node, type Program } from '../graph/node.js';
import { broadcast, sum } from '../ops/broadcast.js';
import { add, multiply } from '../ops/elementwise.js';
import type { ElementFactors, Optimizer } from './optimizer.js';

/** Row width of the flat arrays as seen by kernels, a multiple of every vector width. */
export const ROW = 1024;

/** The sum over all other outputs and their rows, [ROW]: finite only if each of them is. */
export const TOTAL = 'total';

export function paddedSize(size: number): number {
  return Math.ceil(size / ROW) * ROW;
}

/** In order. Inputs: `shard.0`, `shard.1`, ... [rows, ROW]; output: `gradient` [rows, ROW]. */
export function gradientSumProgram(size: number, shards: number): Program {
  const graph = new Graph();
  const shape = [paddedSize(size) / ROW, ROW];
  const parts = Array.from({ length: shards }, (_, i) => graph.input(`shard.${i}`, shape));
  return { graph, outputs: new Map([['gradient', parts.reduce(add)]]) };
}

/**
 * Inputs: `parameter`, `gradient` and `state.NAME` [rows, ROW]; the scalars of the optimizer by
 * name, and `gradient_scale` (1, or less if the gradient norm is clipped); the named `factors` of
 * the elements [rows, ROW]. Outputs: `parameter`, `state.NAME` [rows, ROW] and `TOTAL` [ROW].
 */
export function updateProgram<S>(
  optimizer: Optimizer<S>,
  settings: S,
  size: number,
  factors: readonly (keyof ElementFactors<Node>)[] = [],
): Program {
  const graph = new Graph();
  const shape = [paddedSize(size) / ROW, ROW];
  const scalar = (name: string) => broadcast(graph.input(name, []), shape, []);
  const states = optimizer.state(settings);
  const names = Object.keys(optimizer.scalars(settings, 1, 1));
  const { parameter, state } = optimizer.update(settings, {
    parameter: graph.input('parameter', shape),
    gradient: multiply(graph.input('gradient', shape), scalar('gradient_scale')),
    state: Object.fromEntries(states.map(name => [name, graph.input(`state.${name}`, shape)])),
    scalars: Object.fromEntries(names.map(name => [name, scalar(name)])),
    ...Object.fromEntries(factors.map(name => [name, graph.input(name, shape)])),
  });
  const outputs = new Map<string, Node>([['parameter', parameter]]);
  for (const [name, node] of Object.entries(state)) outputs.set(`state.${name}`, node);
  outputs.set(TOTAL, sum([...outputs.values()].reduce(add), [1]));
  return { graph, outputs };
}
