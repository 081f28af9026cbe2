/** What enters and leaves a block of the schedule: states and sequences, with their names. */
import { heads } from './heads.js';
import { type DeclaredInput, dropoutName, keepsStates, poolsByWeight } from './inputs.js';
import { EMBEDDING, HEAD, type ParameterLayout } from './parameters.js';
import type { Block } from './schedule.js';
import { cellOf, type ModelSpec, outputSizes, type Unit, unitName, unitsOf } from './spec.js';

export interface BlockOptions {
  readonly batch: number;
  readonly variableLength: boolean;
  readonly training: boolean;
  readonly gradient: boolean;
}

export interface StateSpec {
  /** In the whole model: direction and state, or the head's pool and the part of the output. */
  readonly name: string;
  /** In the block's program. */
  readonly local: string;
  readonly size: number;
  readonly start: number;
}

/** The name of `unit` inside a block whose lowest layer is `firstLayer`. */
export function localUnit({ layer, reverse }: Unit, firstLayer: number): string {
  return unitName({ layer: layer - firstLayer, reverse });
}

/** The states of `block`: those of its directions, then the head's pool. */
function blockStates(
  spec: ModelSpec,
  { units, firstLayer, hasHead }: Block,
  variableLength: boolean,
): StateSpec[] {
  const own = units.flatMap(unit => {
    const layer = spec.layers[unit.layer];
    return cellOf(layer)
      .states(layer.settings)
      .map(({ name, size }) => ({
        name: `${unitName(unit)}.${name}`,
        local: `${localUnit(unit, firstLayer)}.${name}`,
        size,
        start: 0,
      }));
  });
  const { pool, reads } = heads[spec.head.from];
  const pools = reads === 'pool' || poolsByWeight(spec, variableLength);
  if (!hasHead || !pool || !pools) return own;
  const gathered = outputSizes(spec, spec.layers.length - 1).map((size, part) => {
    const name = `pool.${part}`;
    return { name, local: name, size, start: pool.start };
  });
  return [...own, ...gathered];
}

export interface BlockLinks {
  /** States that enter: from the previous block, or carried over from the previous batch. */
  readonly incoming: readonly StateSpec[];
  /** The incoming states whose gradient is passed to the previous block. */
  readonly incomingGradients: readonly StateSpec[];
  /** States that leave: to the next block, the head or the next batch. */
  readonly outgoing: readonly StateSpec[];
  /** The outgoing states whose cotangent is passed back to this block. */
  readonly outgoingCotangents: readonly StateSpec[];
  /** The layer whose outputs enter as sequences, if they do. */
  readonly below: number | undefined;
  /** Directions whose outputs leave as sequences. */
  readonly above: readonly Unit[];
}

export function blockLinks(spec: ModelSpec, block: Block, variableLength: boolean): BlockLinks {
  const { units, firstLayer, hasHead, opens, closes } = block;
  const states = blockStates(spec, block, variableLength);
  const isPool = ({ name }: StateSpec) => name.startsWith('pool.');
  const top = spec.layers.length - 1;
  const readsStates = heads[spec.head.from].reads === 'states';
  // a separate head that reads states receives those of the top layer
  const ofTop = hasHead && units.length === 0 && readsStates ? topOutputs(spec) : [];
  const feedsHead = closes && !hasHead && readsStates && units.some(({ layer }) => layer === top);
  const headStates = feedsHead ? topOutputs(spec).map(({ name }) => name) : [];
  const carried = spec.carriesState ? states.filter(state => spec.carriesPool || !isPool(state)) : [];
  const last = units.at(-1)?.layer;
  const passesOn = last !== undefined && (last < top || (!hasHead && !readsStates));
  return {
    incoming: [...(opens ? carried : states), ...ofTop],
    incomingGradients: [...(opens ? [] : states), ...ofTop],
    outgoing: closes
      ? states.filter(state => carried.includes(state) || headStates.includes(state.name))
      : states,
    outgoingCotangents: closes ? states.filter(({ name }) => headStates.includes(name)) : states,
    below: firstLayer > 0 && (units.length > 0 || !readsStates) ? firstLayer - 1 : undefined,
    above: passesOn ? units.filter(({ layer }) => layer === last) : [],
  };
}

/** The output state of each direction of the top layer, as read by a separate head. */
export function topOutputs(spec: ModelSpec): StateSpec[] {
  const top = spec.layers.length - 1;
  const layer = spec.layers[top];
  const [{ name, size }] = cellOf(layer).states(layer.settings);
  return unitsOf(spec, top).map((unit, part) => ({
    name: `${unitName(unit)}.${name}`,
    local: `final.${part}`,
    size,
    start: 0,
  }));
}

/** Whether `block` computes predictions and loss: at each of its steps, or after its last one. */
export function hasLoss({ head }: ModelSpec, { hasHead, closes }: Block): boolean {
  return hasHead && (closes || heads[head.from].reads === 'each');
}

/** The inputs of the model that `block` may read, each with its name in the block's program. */
export function blockInputs(
  spec: ModelSpec,
  { firstLayer }: Block,
  inputs: readonly DeclaredInput[],
): { readonly input: DeclaredInput; readonly local: string }[] {
  const locals = new Map<string, string>();
  for (let layer = Math.max(1, firstLayer); layer < spec.layers.length; layer++) {
    outputSizes(spec, layer - 1).forEach((_, part) => {
      locals.set(dropoutName(layer, part), dropoutName(layer - firstLayer, part));
    });
  }
  // dropout of lower layers has no name here: the block does not read it
  const below = (name: string) => /^dropout\.\d+\./.test(name) && !locals.has(name);
  return inputs
    .filter(({ name }) => !below(name))
    .map(input => ({ input, local: locals.get(input.name) ?? input.name }));
}

/** Equal for blocks that share a program. */
export function programKey(spec: ModelSpec, block: Block, options: BlockOptions): string {
  const { units, firstLayer, hasHead, steps } = block;
  const links = blockLinks(spec, block, options.variableLength);
  const sizes = (states: readonly StateSpec[]) => states.map(({ local, size }) => [local, size]);
  return JSON.stringify({
    ...options,
    steps,
    input: links.below === undefined ? spec.input : outputSizes(spec, links.below),
    dropout: firstLayer > 0 && spec.dropout > 0,
    units: units.map(unit => {
      const { settings, inputSizes } = spec.layers[unit.layer];
      return [localUnit(unit, firstLayer), settings, inputSizes, keepsStates(spec, unit.layer)];
    }),
    head: hasHead && [
      spec.head,
      spec.outputSize,
      hasLoss(spec, block),
      outputSizes(spec, spec.layers.length - 1),
    ],
    links: [
      sizes(links.incoming),
      sizes(links.incomingGradients),
      sizes(links.outgoing),
      sizes(links.outgoingCotangents),
      links.above.map(unit => localUnit(unit, firstLayer)),
    ],
  });
}

/** The parameters that a block reads: `name` in its program, `parameter` in checkpoints. */
export function parametersOf(layout: ParameterLayout, { units, firstLayer, hasHead }: Block) {
  const owners = units.map(unit => ({ owner: unitName(unit), prefix: localUnit(unit, firstLayer) }));
  if (hasHead) owners.push({ owner: HEAD, prefix: HEAD });
  if (firstLayer === 0) owners.push({ owner: EMBEDDING, prefix: EMBEDDING });
  return owners.flatMap(({ owner, prefix }) =>
    layout.parameters
      .filter(one => one.owner === owner)
      .flatMap(({ name: parameter, blocks }) =>
        blocks.map(({ input, offset, size }) => ({ name: `${prefix}.${input}`, parameter, offset, size })),
      ),
  );
}
