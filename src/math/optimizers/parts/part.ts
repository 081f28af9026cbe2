/**
 * Parts of an optimizer, chained to an optimizer. Each part reads the results of the parts before
 * it and changes some of them.
 */
import type { Node } from '../../graph/node.js';
import type { Optimizer, UpdateInputs } from '../optimizer.js';

/** Values that the parts of one update pass on. */
export interface Motion {
  readonly parameter: Node;
  /** The gradient, including coupled weight decay. */
  readonly gradient: Node;
  /** Will be subtracted from the parameter; starts as the gradient. */
  readonly direction: Node;
}

/** Values that a part changes, and its new state. */
export interface Change extends Partial<Motion> {
  readonly state?: Readonly<Record<string, Node>>;
}

export interface Part<Settings> {
  /** Names of its buffers. Default: none. */
  state?(settings: Settings): readonly string[];
  /**
   * Its scalars at `step` (1 for the first), computed in float64. Parts with the same scalar name
   * share the value.
   */
  scalars?(settings: Settings, step: number, learningRate: number): Readonly<Record<string, number>>;
  apply(
    settings: Settings,
    motion: Motion,
    values: Pick<UpdateInputs, 'state' | 'scalars' | 'decayed'>,
  ): Change;
}

/** Creates the optimizer that applies `parts` in order. */
export function chain<Settings>(...parts: readonly Part<Settings>[]): Optimizer<Settings> {
  return {
    state: settings => parts.flatMap(part => part.state?.(settings) ?? []),

    scalars: (settings, step, learningRate) =>
      Object.assign({}, ...parts.map(part => part.scalars?.(settings, step, learningRate))),

    update(settings, { parameter, gradient, ...values }) {
      let motion: Motion = { parameter, gradient, direction: gradient };
      const state: Record<string, Node> = {};
      for (const part of parts) {
        const { state: updated, ...changed } = part.apply(settings, motion, values);
        motion = { ...motion, ...changed };
        Object.assign(state, updated);
      }
      return { parameter: motion.parameter, state };
    },
  };
}
