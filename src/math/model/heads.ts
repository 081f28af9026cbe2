/** Heads: how the outputs of the top layer become the input of the dense layers. */
import type { Node } from '../graph/node.js';
import { broadcast } from '../ops/broadcast.js';
import { add, affine, maximum, multiply } from '../ops/elementwise.js';

/** Accumulates the head's input step by step. */
interface Pool {
  readonly start: number;
  /** `output` [B, D]; `weight` [B], null if all steps count alike; `pooled` null at the start. */
  add(pooled: Node | null, output: Node, weight: Node | null): Node;
}

interface Head {
  /**
   * `each` step, the `states` after the last step of each direction, a `pool` over the steps, or
   * the `last` step, which is a pool if sequences differ in length.
   */
  readonly reads: 'each' | 'states' | 'pool' | 'last';
  readonly pool?: Pool;
  /** The weight of step `t` of a sequence of `length` steps in the pool. */
  stepWeight(t: number, length: number): number;
}

const weighted = (output: Node, weight: Node | null) =>
  weight ? multiply(output, broadcast(weight, output.shape, [0])) : output;

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

export type HeadName = keyof typeof table;

export const heads: Readonly<Record<HeadName, Head>> = table;

export function predictsEachStep({ from }: { readonly from: HeadName }): boolean {
  return heads[from].reads === 'each';
}
