/**
 * Interface of optimizers: named state for each parameter, and one update written with ops.
 * Everything that changes from step to step, or that a schedule or sweep may change, is a scalar
 * argument of the kernels.
 */
import type { Node } from '../graph/node.js';

export interface Update {
  readonly parameter: Node;
  readonly state: Readonly<Record<string, Node>>;
}

export interface Optimizer<Settings> {
  /** Names of the buffers for each parameter, as in PyTorch; all start at zero. */
  state(settings: Settings): readonly string[];
  /** Scalars at `step` (1 for the first), computed in float64. */
  scalars(settings: Settings, step: number, learningRate: number): Readonly<Record<string, number>>;
  /** Returns the new parameters and state. */
  update(settings: Settings, values: UpdateInputs): Update;
}

/** All nodes have the same shape; `scalars` are broadcast to it. */
export interface UpdateInputs {
  readonly parameter: Node;
  readonly gradient: Node;
  readonly state: Readonly<Record<string, Node>>;
  readonly scalars: Readonly<Record<string, Node>>;
  /** 1 for elements to which weight decay applies, else 0. Absent: it applies to all. */
  readonly decayed?: Node;
}
