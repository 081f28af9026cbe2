/**
 * The graphs of a model: stacking over layers and time, written once. A program covers a whole sequence or one segment
 * of a long one; segments pass states forwards and cotangents of states backwards, so the gradient stays exact.
 */
import type { Cell, CellWeights } from '../cells/cell.js';
import { cells } from '../cells/index.js';
import { differentiate } from '../graph/differentiate.js';
import { Graph, type Node, type Program } from '../graph/node.js';
import { type LossName, losses } from '../losses/index.js';
import { add } from '../ops/add.js';
import { broadcast } from '../ops/broadcast.js';
import { contract } from '../ops/contract.js';
import { addAll } from '../ops/index.js';
import { multiply } from '../ops/multiply.js';
import { select } from '../ops/select.js';
import { layerName, ParameterLayout, settingsOf } from './parameters.js';
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
  /** Whether sequences end at different steps, for a head on the last one: input `ends`, state `last`. */
  readonly variableLength: boolean;
  /**
   * Whether to compute gradients (outputs `gradient.*`): of the loss alone, or also of what comes after this segment, whose
   * cotangents of the outgoing states then come in.
   */
  readonly gradient: false | 'from-loss' | 'from-states';
}

/**
 * Inputs: `x` [S, B, F]; every parameter by name; `target` [S, B] or [S, B, C] and `weight` [S, B] where the segment has
 * the loss (S is 1 with `head: last`); `ends` [S, B], 1 at a sequence's last step, else 0; `state.NAME` and `cotangent.NAME`
 * [B, H], with the names of `stateNames`.
 * Outputs: `prediction.T` [B, C] and `rows.T` [B] (the loss of each row) per step with a loss; `state.NAME`;
 * `gradient.PARAMETER` and `gradient.state.NAME`.
 */
export function segmentProgram(spec: ModelSpec, lossName: LossName, options: SegmentOptions): Program {
  const graph = new Graph();
  const { batch, steps, carriesState, hasLoss, gradient } = options;
  const names = stateNames(spec, options.variableLength);
  const inputs = (prefix: string) =>
    names.map(name => graph.input(`${prefix}.${name}`, [batch, spec.hiddenSize]));
  const weights = parameterInputs(graph, spec);
  const x = graph.input('x', [steps, batch, spec.inputSize]);
  const ends = options.variableLength ? graph.input('ends', [steps, batch]) : null;
  const initial = carriesState ? inputs('state') : null;
  const { outputs, states, last } = unroll(spec, weights, x, ends, initial);
  const results = new Map<string, Node>();
  if (carriesState) names.forEach((name, i) => void results.set(`state.${name}`, states[i]));

  const sources: [result: Node, cotangent: Node][] = [];
  if (hasLoss) {
    const loss = losses[lossName];
    const read = spec.head === 'every' ? outputs : [last];
    const perRow = loss.target === 'class' ? [] : [spec.outputSize];
    const target = graph.input('target', [read.length, batch, ...perRow]);
    const weight = graph.input('weight', [read.length, batch]);
    read.forEach((h, t) => {
      const prediction = dense(h, weights.get('fc.weight') as Node, weights.get('fc.bias') as Node);
      const rows = loss.rows(prediction, select(target, t));
      results.set(`prediction.${t}`, prediction).set(`rows.${t}`, rows);
      sources.push([rows, select(weight, t)]);
    });
  }
  if (gradient === 'from-states') {
    inputs('cotangent').forEach((cotangent, i) => void sources.push([states[i], cotangent]));
  }
  if (gradient) {
    const wrt = new Map(weights);
    if (initial) names.forEach((name, i) => void wrt.set(`state.${name}`, initial[i]));
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

/** What passes from segment to segment: each layer's states, and the outputs gathered at the sequences' ends. */
export function stateNames(spec: ModelSpec, variableLength: boolean): string[] {
  const states = cells[spec.cell].states(settingsOf(spec.hiddenSize));
  const layers = Array.from({ length: spec.numLayers }, (_, layer) =>
    states.map(({ name }) => `${layer}.${name}`),
  );
  return [...layers.flat(), ...(variableLength ? ['last'] : [])];
}

function parameterInputs(graph: Graph, spec: ModelSpec): Map<string, Node> {
  const { parameters } = new ParameterLayout(spec);
  return new Map(parameters.map(({ name, graphShape }) => [name, graph.input(name, graphShape)]));
}

interface Unrolled {
  /** The top layer's output at each step. */
  readonly outputs: readonly Node[];
  /** In the order of `stateNames`. */
  readonly states: readonly Node[];
  /** The top layer's output at each sequence's last step. */
  readonly last: Node;
}

/** The recurrent layers over all steps of `x` [S, B, F]. */
function unroll(
  spec: ModelSpec,
  weights: ReadonlyMap<string, Node>,
  x: Node,
  ends: Node | null,
  initial: readonly Node[] | null,
): Unrolled {
  const cell = cells[spec.cell];
  const settings = settingsOf(spec.hiddenSize);
  const perLayer = cell.states(settings).length;
  let sequence: readonly Node[] = Array.from({ length: x.shape[0] }, (_, t) => select(x, t));
  const states: Node[] = [];
  for (let layer = 0; layer < spec.numLayers; layer++) {
    const own = layerWeights(cell, weights, layer);
    let current: readonly Node[] | undefined = initial?.slice(layer * perLayer, (layer + 1) * perLayer);
    const outputs: Node[] = [];
    for (const input of sequence) {
      const [batch] = input.shape;
      const times = (name: string) =>
        contract(own[name].shape.length === 3 ? 'bk,gjk->gbj' : 'bk,jk->bj', input, own[name]);
      current = cell.step({ batch, times }, current ?? null, own, settings);
      outputs.push(current[0]);
    }
    sequence = outputs;
    states.push(...(current ?? []));
  }
  if (!ends) return { outputs: sequence, states, last: sequence[sequence.length - 1] };
  const ended = sequence.map((h, t) => multiply(h, broadcast(select(ends, t), h.shape, [0])));
  const last = addAll(initial ? [initial[initial.length - 1], ...ended] : ended);
  return { outputs: sequence, states: [...states, last], last };
}

function layerWeights(
  cell: Cell<ReturnType<typeof settingsOf>>,
  weights: ReadonlyMap<string, Node>,
  layer: number,
): CellWeights {
  const names = cell.parameters(1, settingsOf(1)).map(({ name }) => name);
  return Object.fromEntries(
    names.map(name => [name, weights.get(layerName(cell.module, name, layer)) as Node]),
  );
}

/** h W^T + b: `[B, H]`, `[C, H]`, `[C]` -> `[B, C]`. */
function dense(h: Node, weight: Node, bias: Node): Node {
  const product = contract('bk,ck->bc', h, weight);
  return add(product, broadcast(bias, product.shape, [1]));
}
