/**
 * The graph of one block of the schedule. Names are relative to the block, so that blocks of equal
 * shape, such as the middle layers of a stack, share one compiled program.
 */
import { Recent } from '../../util/recent.js';
import { spreadBias } from '../cells/cell.js';
import { differentiate } from '../graph/differentiate.js';
import { type CellNodes, Graph, type Node, type Program } from '../graph/node.js';
import { isOfSequences, type Loss } from '../losses/loss.js';
import { broadcast } from '../ops/broadcast.js';
import { contract } from '../ops/contract.js';
import { activate, add, affine, multiply, tanh } from '../ops/elementwise.js';
import { gather } from '../ops/gather.js';
import { addAll } from '../ops/index.js';
import { select } from '../ops/stack.js';
import { attend } from './attention.js';
import { heads } from './heads.js';
import {
  attentionName,
  constantName,
  declaredInputs,
  dropoutBelow,
  dropoutName,
  headDropoutName,
  inputShape,
  keepsStates,
  type NamedInput,
  PREDICTION_COTANGENT,
  poolsByWeight,
  readInputs,
  readStatics,
} from './inputs.js';
import { ATTENTION, BRIDGE, HEAD, ParameterLayout, partName } from './parameters.js';
import {
  type Block,
  type BlockLinks,
  type BlockOptions,
  blockInputs,
  blockLinks,
  hasLoss,
  inputRange,
  isBridge,
  localUnit,
  programKey,
  type StateSpec,
  topOutputs,
} from './schedule.js';
import type { AttentionName } from './settings.js';
import { cellOf, type ModelSpec, outputSizes, type Unit, unitName, unitsOf } from './spec.js';

/**
 * Inputs: those of the model that the block reads (`blockInputs`); parameters as `UNIT.NAME`;
 * `state.NAME` [B, size]; `below.PART` [S, B, D], the outputs of the layer below; `memory.PART` [T,
 * B, D], those of the encoder; with gradients `cotangent.state.NAME`, `cotangent.above.PART` [S, B,
 * D] and, for a loss of sequences, `cotangent.prediction` [S, B, C]. Outputs: `prediction.T` [B, C]
 * and, for a loss of predictions, `rows.T` [B] (the loss of each row); `state.NAME`; `above.PART.T`
 * [B, D]; with gradients `gradient.PARAMETER`, `gradient.state.NAME`, `gradient.below.PART.T`,
 * `gradient.memory.PART` [T, B, D] and `gradient.embedded.INPUT.T` [B, E], the gradient of what was
 * read from an embedding for an input. The attention may compute all steps at once: `above.0` and
 * `gradient.below.0`, [S, B, D]; its weights are `attention.T` [B, T], or all [B, S, T], unless in
 * training. The first part of a program is the forward pass.
 */
export function blockProgram(spec: ModelSpec, loss: Loss, block: Block, options: BlockOptions): Program {
  const programs = built.get(loss) ?? new Recent<Program>(MAX_BUILT);
  built.set(loss, programs);
  const key = `${JSON.stringify(spec)} ${programKey(spec, block, options)}`;
  return programs.get(key, () => new BlockBuilder(spec, loss, block, options).build());
}

/** A process may open a model several times. */
const built = new WeakMap<Loss, Recent<Program>>();
const MAX_BUILT = 20;

/** A sequence of steps of each part: `[part][step]`. */
type Sequence = readonly (readonly Node[])[];

class BlockBuilder {
  private readonly graph = new Graph();
  private readonly outputs = new Map<string, Node>();
  private readonly cells: CellNodes[] = [];
  private readonly inputs: ReadonlyMap<string, Node>;
  private readonly layout: ParameterLayout;
  private readonly links: BlockLinks;
  /** Results with a cotangent, where gradients start. */
  private readonly sources: [result: Node, cotangent: Node][] = [];
  /** By the name of the output. */
  private readonly wrt = new Map<string, Node>();

  constructor(
    private readonly spec: ModelSpec,
    private readonly loss: Loss,
    private readonly block: Block,
    private readonly options: BlockOptions,
  ) {
    this.layout = new ParameterLayout(spec);
    this.links = blockLinks(spec, block, options.variableLength);
    this.inputs = this.declareInputs();
  }

  build(): Program {
    const { block, links, outputs } = this;
    const states = new Map(links.incoming.map(state => [state.local, this.stateInput(state)]));
    if (block.memory !== undefined) this.attend(block.memory);
    let sequence = block.memory === undefined ? this.readBelow() : [];
    const above: (readonly Node[])[] = [];
    const finals = new Map(states);
    const layers = new Set(block.units.map(({ layer }) => layer));
    for (const layer of layers) {
      const below = this.dropped(sequence, layer);
      sequence = block.units
        .filter(unit => unit.layer === layer)
        .map(unit => {
          const steps = this.walk(unit, below, states, finals);
          if (links.above.includes(unit)) above.push(steps);
          return steps;
        });
    }
    if (block.hasHead) this.head(sequence, states, finals);
    if (isBridge(block)) this.bridge([...states.values()], finals);
    for (const { local } of links.outgoing) outputs.set(`state.${local}`, finals.get(local)!);
    above.forEach((steps, i) => {
      const part = links.above[i].reverse ? 1 : 0;
      steps.forEach((node, t) => void outputs.set(`above.${part}.${t}`, node));
      if (!this.options.gradient) return;
      const cotangent = this.graph.input(`cotangent.above.${part}`, [steps.length, ...steps[0].shape]);
      steps.forEach((node, t) => void this.sources.push([node, select(cotangent, t)]));
    });
    const first = new Set(outputs.keys());
    if (this.options.gradient) this.differentiate(finals);
    return { graph: this.graph, outputs, first, cells: this.cells };
  }

  private declareInputs(): ReadonlyMap<string, Node> {
    const { spec, loss, block, options, graph } = this;
    const declared = declaredInputs(spec, loss, options);
    return new Map(
      blockInputs(spec, block, declared).map(({ input, local }) => {
        const shape = inputShape(input, inputRange(spec, block, input).count, options.batch);
        return [local, graph.input(local, shape, input)];
      }),
    );
  }

  private input(name: string): Node {
    const node = this.inputs.get(name);
    if (!node) throw new Error(`the model declares no input '${name}'`);
    return node;
  }

  private stateInput(state: StateSpec): Node {
    const node = this.graph.input(`state.${state.local}`, [this.options.batch, state.size]);
    if (this.links.incomingGradients.includes(state)) this.wrt.set(`state.${state.local}`, node);
    return node;
  }

  private parameters(owner: string, prefix: string): Map<string, Node> {
    return new Map(
      this.layout.blocksOf(owner).map(({ input, graphShape }) => {
        const name = `${prefix}.${input}`;
        const node = this.graph.input(name, graphShape, { isParameter: true });
        this.wrt.set(name, node);
        return [input, node];
      }),
    );
  }

  /** The input of the lowest layer, or of a separate head. */
  private readBelow(): Sequence {
    const { spec, block, links, graph, options } = this;
    const steps = Array.from({ length: block.steps }, (_, t) => t);
    if (links.below !== undefined) {
      return outputSizes(spec, links.below).map((size, part) => {
        const all = graph.input(`below.${part}`, [block.steps, options.batch, size]);
        return steps.map(t => this.tracked(`below.${part}.${t}`, select(all, t)));
      });
    }
    return readInputs(spec, block).map(input => this.features(input, steps));
  }

  /** An input at some steps: its numbers, or the vectors of its symbols. */
  private features(input: NamedInput, steps: readonly number[]): readonly Node[] {
    const x = this.input(input.name);
    if (input.kind === 'number') return steps.map(t => select(x, t));
    const table = this.graph.input(`${input.module}.weight`, [input.count, input.size]);
    return steps.map(t => this.tracked(`embedded.${input.name}.${t}`, gather(table, select(x, t))));
  }

  /** tanh of a dense layer: the decoder's first states from the encoder's final ones. */
  private bridge(encoded: readonly Node[], finals: Map<string, Node>): void {
    const weights = this.parameters(BRIDGE, BRIDGE);
    const sums = add(times(encoded, 'weight', weights), spreadBias(weights.get('bias')!, this.options.batch));
    const states = tanh(sums);
    this.links.outgoing.forEach(({ local }, i) => void finals.set(local, select(states, i)));
  }

  private attend(steps: number): void {
    const { spec, block, links, graph, options, outputs } = this;
    const [size] = outputSizes(spec, links.below as number);
    const kind = spec.decoder?.attention as AttentionName;
    const below = graph.input('below.0', [block.steps, options.batch, size]);
    const memory = outputSizes(spec, links.memory as number).map((width, part) => {
      const name = `memory.${part}`;
      return this.tracked(name, graph.input(name, [steps, options.batch, width]));
    });
    const byStep = kind === 'additive';
    const read = byStep ? Array.from({ length: block.steps }, (_, t) => select(below, t)) : [below];
    const place = (name: string, t: number) => (byStep ? `${name}.0.${t}` : `${name}.0`);
    read.forEach((node, t) => void this.tracked(place('below', t), node));
    const mask = options.variableLength ? this.input('mask') : null;
    const weights = this.parameters(ATTENTION, ATTENTION);
    attend(kind, read, { memory, mask, weights }).forEach(({ output: node, alpha }, t) => {
      outputs.set(place('above', t), node);
      if (!options.training) outputs.set(attentionName(t), alpha);
      if (!options.gradient) return;
      const cotangent = graph.input('cotangent.above.0', [block.steps, options.batch, size]);
      this.sources.push([node, byStep ? select(cotangent, t) : cotangent]);
    });
  }

  private tracked(name: string, node: Node): Node {
    this.wrt.set(name, node);
    return node;
  }

  private dropped(sequence: Sequence, layer: number): Sequence {
    if (!this.options.training || dropoutBelow(this.spec, layer) === 0) return sequence;
    return sequence.map((steps, part) => {
      const kept = this.input(dropoutName(layer - this.block.firstLayer, part));
      return steps.map((node, t) => multiply(node, select(kept, t)));
    });
  }

  private walk(
    unit: Unit,
    below: Sequence,
    initial: ReadonlyMap<string, Node>,
    finals: Map<string, Node>,
  ): readonly Node[] {
    const { spec, block, options } = this;
    const layer = spec.layers[unit.layer];
    const cell = cellOf(layer);
    const prefix = localUnit(unit, block.firstLayer);
    const weights = this.parameters(unitName(unit), prefix);
    const names = cell.states(layer.settings).map(({ name }) => `${prefix}.${name}`);
    const mask = options.variableLength && keepsStates(spec, unit.layer) ? this.input('mask') : undefined;
    let states: readonly Node[] | null = initial.has(names[0]) ? names.map(name => initial.get(name)!) : null;
    const outputs: Node[] = [];
    for (let i = 0; i < block.steps; i++) {
      const t = unit.reverse ? block.steps - 1 - i : i;
      const before: readonly Node[] | null = states;
      const input = {
        batch: options.batch,
        times: (name: string) =>
          times(
            below.map(steps => steps[t]),
            name,
            weights,
          ),
      };
      states = cell.step(input, before, Object.fromEntries(weights), layer.settings);
      const outside = [...below.map(steps => steps[t]), ...(before ?? [])];
      this.cells.push({ unit: block.units.indexOf(unit), step: t, states, outside });
      if (mask) states = keepAfterEnd(states, before, select(mask, t), unit.reverse);
      outputs[t] = states[0];
    }
    names.forEach((name, i) => void finals.set(name, states![i]));
    return outputs;
  }

  private head(sequence: Sequence, initial: ReadonlyMap<string, Node>, finals: Map<string, Node>): void {
    const { spec, block, loss, outputs, options, graph } = this;
    const read = this.readByHead(sequence, initial, finals);
    if (!hasLoss(spec, block)) return;
    const weights = this.parameters(HEAD, HEAD);
    const ofSequence = readStatics(spec, block).flatMap(input => this.features(input, [0]));
    const predict = (parts: readonly Node[], t: number) => this.dense([...parts, ...ofSequence], t, weights);
    if (isOfSequences(loss)) {
      const shape = [read.length, options.batch, spec.outputSize];
      const cotangent = options.gradient ? graph.input(PREDICTION_COTANGENT, shape) : undefined;
      read.forEach((parts, t) => {
        const prediction = predict(parts, t);
        if (cotangent) this.sources.push([prediction, select(cotangent, t)]);
        outputs.set(`prediction.${t}`, prediction);
      });
      return;
    }
    const target = this.input('target');
    const weight = this.input('weight');
    const constants = Object.fromEntries(
      Object.entries(loss.constants?.(spec.outputSize) ?? {}).map(([name, { length }]) => [
        name,
        this.graph.input(constantName(name), [length]),
      ]),
    );
    read.forEach((parts, t) => {
      const prediction = predict(parts, t);
      const rows = loss.rows(prediction, select(target, t), constants);
      outputs.set(`prediction.${t}`, prediction).set(`rows.${t}`, rows);
      this.sources.push([rows, select(weight, t)]);
    });
  }

  /** The input of the dense layers for each prediction, in parts; stores pools in `finals`. */
  private readByHead(
    sequence: Sequence,
    initial: ReadonlyMap<string, Node>,
    finals: Map<string, Node>,
  ): readonly (readonly Node[])[] {
    const { spec, block, options } = this;
    const { reads, pool } = heads[spec.head.from];
    const steps = Array.from({ length: block.steps }, (_, t) => t);
    if (reads === 'each') return steps.map(t => sequence.map(part => part[t]));
    if (reads === 'states') return [topStates(spec, block).map(name => finals.get(name)!)];
    const weighs = poolsByWeight(spec, options.variableLength);
    if (reads === 'last' && !weighs) return [sequence.map(part => part[part.length - 1])];
    const stepWeights = weighs ? this.input('pool') : null;
    const pooled = sequence.map(
      (part, i) =>
        part.reduce<Node | null>(
          (sum, node, t) => pool!.add(sum, node, stepWeights && select(stepWeights, t)),
          initial.get(`pool.${i}`) ?? null,
        )!,
    );
    pooled.forEach((node, i) => void finals.set(`pool.${i}`, node));
    return [pooled];
  }

  /** fc layers: `[B, D]` in parts -> `[B, C]`. */
  private dense(parts: readonly Node[], t: number, weights: ReadonlyMap<string, Node>): Node {
    const { head } = this.spec;
    const biased = (product: Node, i: number) =>
      add(product, broadcast(weights.get(`${i}.bias`)!, product.shape, [1]));
    let z = biased(times(parts, '0.weight', weights), 0);
    head.hidden_sizes.forEach((_, i) => {
      let hidden = activate(z, [head.activation]);
      if (this.options.training && head.dropout > 0) {
        hidden = multiply(hidden, select(this.input(headDropoutName(i)), t));
      }
      z = biased(contract('bk,ck->bc', hidden, weights.get(`${i + 1}.weight`)!), i + 1);
    });
    return z;
  }

  private differentiate(finals: ReadonlyMap<string, Node>): void {
    const { graph, links, sources, wrt, outputs, options } = this;
    for (const { local, size } of links.outgoingCotangents) {
      sources.push([finals.get(local)!, graph.input(`cotangent.state.${local}`, [options.batch, size])]);
    }
    const gradients = differentiate(
      sources.map(([result]) => result),
      sources.map(([, cotangent]) => cotangent),
      [...wrt.values()],
      addAll,
    );
    [...wrt.keys()].forEach((name, i) => {
      const node = gradients[i];
      if (node) outputs.set(`gradient.${name}`, node);
    });
  }
}

/** The states that a head on final states reads, by their names in `block`. */
function topStates(spec: ModelSpec, { units, firstLayer }: Block): string[] {
  const top = spec.layers.length - 1;
  if (units.length === 0) return topOutputs(spec).map(({ local }) => local);
  const [{ name }] = cellOf(spec.layers[top]).states(spec.layers[top].settings);
  return unitsOf(spec, top).map(unit => `${localUnit(unit, firstLayer)}.${name}`);
}

/** x W^T for `x` in parts, each with its own columns of the weight. */
function times(parts: readonly Node[], name: string, weights: ReadonlyMap<string, Node>): Node {
  return addAll(
    parts.map((part, i) => {
      const weight = weights.get(partName(name, i))!;
      return contract(weight.shape.length === 3 ? 'bk,gjk->gbj' : 'bk,jk->bj', part, weight);
    }),
  );
}

/**
 * `states` within a sequence, those `before` after its end, as torch's packed sequences. A reverse
 * direction begins at the end, where its states are zero.
 */
function keepAfterEnd(
  states: readonly Node[],
  before: readonly Node[] | null,
  mask: Node,
  reverse: boolean,
): readonly Node[] {
  return states.map((state, i) => {
    const within = broadcast(mask, state.shape, [0]);
    const kept = multiply(state, within);
    if (reverse || !before) return kept;
    return add(kept, multiply(before[i], affine(within, -1, 1)));
  });
}
