/**
 * A part of an optimizer, and the optimizer that a chain of parts makes. Each part reads what the
 * parts before it left and changes some of it.
 */
import type { Node } from '../../graph/node.js';
import type { Optimizer, UpdateInputs } from '../optimizer.js';

/** What the parts of one update pass on. */
export interface Motion {
  readonly parameter: Node;
  /** The gradient, with the weight decay that is part of it. */
  readonly gradient: Node;
  /** What will be subtracted from the parameter; begins as the gradient. */
  readonly direction: Node;
}

/** What a part changes, and the new values of its state. */
export interface Change extends Partial<Motion> {
  readonly state?: Readonly<Record<string, Node>>;
}

export interface Part<Settings> {
  /** Names of its buffers; none by default. */
  state?(settings: Settings): readonly string[];
  /**
   * Its scalars at `step` (1 for the first), computed in float64; parts that share a name share the
   * value.
   */
  scalars?(settings: Settings, step: number, learningRate: number): Readonly<Record<string, number>>;
  apply(
    settings: Settings,
    motion: Motion,
    values: Pick<UpdateInputs, 'state' | 'scalars' | 'decayed'>,
  ): Change;
}

/** The optimizer that applies `parts` in order. */
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
