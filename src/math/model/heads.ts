/**
 * Heads: how the outputs of the top layer become the input of the dense layers, one value per step
 * or per sequence.
 */
import type { Node } from '../graph/node.js';
import { add } from '../ops/add.js';
import { broadcast } from '../ops/broadcast.js';
import { maximum } from '../ops/maximum.js';
import { multiply } from '../ops/multiply.js';
import { affine } from '../ops/polynomial.js';

/** Accumulates the head's input step by step. */
export interface Pool {
  /** Value of an empty pool. */
  readonly start: number;
  /**
   * The pool after `output` [B, D] of a step. `weight` [B] is what the step counts, null if
   * sequences all have the same length; `pooled` is null at the start.
   */
  add(pooled: Node | null, output: Node, weight: Node | null): Node;
}

export interface Head {
  /**
   * The head's input: the output of `each` step, the `states` after the last step of each
   * direction, a `pool` over the steps, or the output of the `last` step, which is a pool if
   * sequences differ in length.
   */
  readonly reads: 'each' | 'states' | 'pool' | 'last';
  readonly pool?: Pool;
  /** The weight of step `t` of a sequence of `length` steps in the pool. */
  stepWeight(t: number, length: number): number;
}

const weighted = (output: Node, weight: Node | null) =>
  weight ? multiply(output, broadcast(weight, output.shape, [0])) : output;

/** The sum of the outputs, each times its weight. */
const sum: Pool = {
  start: 0,
  add(pooled, output, weight) {
    const term = weighted(output, weight);
    return pooled ? add(pooled, term) : term;
  },
};

/** Far below every output of a cell, and far from the limits of float32. */
const LOWEST = -1e30;

/** The largest output; of equal ones the earliest receives the gradient. */
const largest: Pool = {
  start: LOWEST,
  add(pooled, output, weight) {
    const floor = weight && broadcast(affine(weight, -LOWEST, LOWEST), output.shape, [0]);
    const counted = floor ? add(weighted(output, weight), floor) : output;
    return pooled ? maximum(pooled, counted) : counted;
  },
};

const within = (t: number, length: number) => (t < length ? 1 : 0);

const table = {
  last: { reads: 'last', pool: sum, stepWeight: (t, length) => (t === length - 1 ? 1 : 0) },
  final: { reads: 'states', stepWeight: within },
  mean: { reads: 'pool', pool: sum, stepWeight: (t, length) => (t < length ? 1 / length : 0) },
  max: { reads: 'pool', pool: largest, stepWeight: within },
  every: { reads: 'each', stepWeight: within },
} as const satisfies Readonly<Record<string, Head>>;

/** The values of `model.head.from`. */
export type HeadName = keyof typeof table;

export const heads: Readonly<Record<HeadName, Head>> = table;

export function predictsEachStep({ from }: { readonly from: HeadName }): boolean {
  return heads[from].reads === 'each';
}
