/**
 * What an optimizer is: named state beside each parameter, and one update written with ops.
 * Everything that changes from step to step, or that a schedule or a sweep may change, reaches the
 * kernels as a scalar argument.
 */
import type { Node } from '../graph/node.js';

export interface Update {
  readonly parameter: Node;
  readonly state: Readonly<Record<string, Node>>;
}

export interface Optimizer<Settings> {
  /**
   * Names of the buffers that it keeps beside each parameter, as PyTorch calls them; all start at
   * zero.
   */
  state(settings: Settings): readonly string[];
  /** The scalars of `step` (1 for the first), computed in float64. */
  scalars(settings: Settings, step: number, learningRate: number): Readonly<Record<string, number>>;
  /** New parameters and state. */
  update(settings: Settings, values: UpdateInputs): Update;
}

/** All nodes have one shape; `scalars` are broadcast to it. */
export interface UpdateInputs {
  readonly parameter: Node;
  readonly gradient: Node;
  readonly state: Readonly<Record<string, Node>>;
  readonly scalars: Readonly<Record<string, Node>>;
  /**
   * 1 for the elements that weight decay applies to, 0 for the others; absent: it applies to all.
   */
  readonly decayed?: Node;
}
