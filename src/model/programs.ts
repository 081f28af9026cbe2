/**
 * The graphs of a model: stacking over layers and time, written once. A program covers a whole sequence or one segment
 * of a long one; segments pass states forwards and cotangents of states backwards, so the gradient stays exact.
 */
import type { CellWeights } from '../cells/cell.js';
import { cells } from '../cells/index.js';
import { differentiate } from '../graph/differentiate.js';
import { Graph, type Node, type Program } from '../graph/node.js';
import { type LossName, losses } from '../losses/index.js';
import { add } from '../ops/add.js';
import { broadcast } from '../ops/broadcast.js';
import { contract } from '../ops/contract.js';
import { addAll } from '../ops/index.js';
import { select } from '../ops/select.js';
import { layerName, ParameterLayout } from './parameters.js';
import type { ModelSpec } from './spec.js';

export interface SegmentOptions {
  /** B. */
  readonly batch: number;
  /** Steps of this segment. */
  readonly steps: number;
  /** Whether states come in (inputs `state.*`) and go out (outputs `state.*`); otherwise they start at zero. */
  readonly carriesState: boolean;
  /** Whether the segment has the loss: its last step, or every step with `head: every`. */
  readonly hasLoss: boolean;
  /** Whether to compute gradients (outputs `gradient.*`), and whether cotangents of the outgoing states come in. */
  readonly gradient: false | 'from-loss' | 'from-states' | 'from-both';
}

/**
 * Inputs: `x` [S, B, F]; every parameter by name; `target` [S, B] or [S, B, C] and `weight` [S, B] where the segment has
 * the loss (S is 1 with `head: last`); `state.L.NAME` and `cotangent.L.NAME` [B, H].
 * Outputs: `prediction.T` [B, C] and `rows.T` [B] (the loss of each row) per step with a loss; `state.L.NAME`;
 * `gradient.PARAMETER` and `gradient.state.L.NAME`.
 */
export function segmentProgram(spec: ModelSpec, lossName: LossName, options: SegmentOptions): Program {
  const graph = new Graph();
  const { batch, steps, carriesState, hasLoss, gradient } = options;
  const loss = losses[lossName];
  const weights = inputsOf(graph, spec);
  const x = graph.input('x', [steps, batch, spec.inputSize]);
  const initial = carriesState ? stateInputs(graph, spec, batch, 'state') : null;
  const { outputs, states } = unroll(spec, weights, x, initial);
  const results = new Map<string, Node>();
  if (carriesState) namedStates(spec, states, 'state').forEach((node, name) => results.set(name, node));

  const sources: [result: Node, cotangent: Node][] = [];
  if (hasLoss) {
    const predicted = spec.head === 'every' ? outputs : outputs.slice(-1);
    const count = predicted.length;
    const perRow = loss.target === 'class' ? [] : [spec.outputSize];
    const target = graph.input('target', [count, batch, ...perRow]);
    const weight = graph.input('weight', [count, batch]);
    predicted.forEach((h, t) => {
      const prediction = dense(h, weights.get('fc.weight') as Node, weights.get('fc.bias') as Node);
      const rows = loss.rows(prediction, select(target, t));
      results.set(`prediction.${t}`, prediction).set(`rows.${t}`, rows);
      sources.push([rows, select(weight, t)]);
    });
  }
  if (gradient === 'from-states' || gradient === 'from-both') {
    const cotangents = stateInputs(graph, spec, batch, 'cotangent');
    states.flat().forEach((state, i) => sources.push([state, cotangents.flat()[i]]));
  }
  if (gradient) {
    const wrt = new Map(weights);
    if (initial) namedStates(spec, initial, 'state').forEach((node, name) => wrt.set(name, node));
    const gradients = differentiate(
      sources.map(([result]) => result),
      sources.map(([, cotangent]) => cotangent),
      [...wrt.values()],
      addAll,
    );
    [...wrt.keys()].forEach((name, i) => {
      const node = gradients[i];
      if (node) results.set(`gradient.${name}`, node);
    });
  }
  return { graph, outputs: results };
}

function inputsOf(graph: Graph, spec: ModelSpec): Map<string, Node> {
  const { parameters } = new ParameterLayout(spec);
  return new Map(parameters.map(({ name, graphShape }) => [name, graph.input(name, graphShape)]));
}

/** The recurrent layers over all steps of `x` [S, B, F]: the top layer's output per step, and each layer's last states. */
function unroll(
  spec: ModelSpec,
  weights: ReadonlyMap<string, Node>,
  x: Node,
  initial: readonly (readonly Node[])[] | null,
): { outputs: readonly Node[]; states: readonly (readonly Node[])[] } {
  const cell = cells[spec.cell];
  let sequence: readonly Node[] = Array.from({ length: x.shape[0] }, (_, t) => select(x, t));
  const last: (readonly Node[])[] = [];
  for (let layer = 0; layer < spec.numLayers; layer++) {
    const own: CellWeights = Object.fromEntries(
      cell
        .parameters(1, 1)
        .map(({ name }) => [name, weights.get(layerName(cell.module, name, layer)) as Node]),
    );
    let states = initial ? initial[layer] : null;
    sequence = sequence.map(input => {
      states = cell.step(input, states, own);
      return states[0];
    });
    last.push(states as readonly Node[]);
  }
  return { outputs: sequence, states: last };
}

/** h W^T + b: `[B, H]`, `[C, H]`, `[C]` -> `[B, C]`. */
function dense(h: Node, weight: Node, bias: Node): Node {
  const product = contract('bk,ck->bc', h, weight);
  return add(product, broadcast(bias, product.shape, [1]));
}

function stateInputs(graph: Graph, spec: ModelSpec, batch: number, prefix: string): Node[][] {
  const { states } = cells[spec.cell];
  return Array.from({ length: spec.numLayers }, (_, layer) =>
    states.map(name => graph.input(`${prefix}.${layer}.${name}`, [batch, spec.hiddenSize])),
  );
}

function namedStates(
  spec: ModelSpec,
  states: readonly (readonly Node[])[],
  prefix: string,
): Map<string, Node> {
  const names = cells[spec.cell].states;
  return new Map(
    states.flatMap((layer, l) =>
      layer.map((node, s): [string, Node] => [`${prefix}.${l}.${names[s]}`, node]),
    ),
  );
}
