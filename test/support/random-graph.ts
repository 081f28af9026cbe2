/**
 * Random graphs of all ops: expressions of ranks 1 to 3 with moderate values, so that errors stay
 * small.
 */
import fc from 'fast-check';
import type { Graph, Node } from '../../src/math/graph/node.js';
import { sameShape } from '../../src/math/graph/shape.js';
import { broadcast, broadcastOp, sum } from '../../src/math/ops/broadcast.js';
import { contract } from '../../src/math/ops/contract.js';
import {
  type ActivationName,
  activate,
  add,
  affine,
  divide,
  exponential,
  maximum,
  multiply,
  polynomial,
  positive,
  scale,
  squareRoot,
  subtract,
  tanh,
} from '../../src/math/ops/elementwise.js';
import { gather } from '../../src/math/ops/gather.js';
import { addAll } from '../../src/math/ops/index.js';
import { logSumExp } from '../../src/math/ops/log_sum_exp.js';
import { oneHot } from '../../src/math/ops/one_hot.js';
import { select, stack } from '../../src/math/ops/stack.js';
import { transpose } from '../../src/math/ops/transpose.js';

/** Extents of all inputs of a graph: B rows, H columns, G slices. */
export interface GraphExtents {
  readonly b: number;
  readonly h: number;
  readonly g: number;
}

/**
 * An instruction to make a node. The numbers select operands among the nodes that fit, modulo their
 * number.
 */
interface Instruction {
  readonly make: keyof typeof MAKERS;
  readonly first: number;
  readonly second: number;
  readonly option: number;
}

interface Maker {
  /** True if `x` may be the operand. By default, any node except a scalar may. */
  fits?(x: Node): boolean;
  /** True if `y` may be the second operand. If absent, there is no second operand. */
  pairs?(x: Node, y: Node, option: number): boolean;
  /**
   * @param y the second operand, the first of `others`
   * @param others all nodes that pair with `x`, starting with the selected one
   */
  make(x: Node, y: Node, option: number, others: readonly Node[]): Node;
}

const allAxes = ({ shape }: Node) => shape.map((_, axis) => axis);
const alike = (x: Node, y: Node) => sameShape(x.shape, y.shape);
const isRank = (rank: number) => (x: Node) => x.shape.length === rank;
/** True if each slice along the leading axis repeats one element of a vector. */
const isColumns = ({ op, inputs, attributes }: Node) =>
  op?.name === broadcastOp.name &&
  inputs[0].shape.length === 1 &&
  (attributes as { axes: number[] }).axes[0] === 0;
const isAboveVector = (x: Node) => x.shape.length > 1;
/** Maps `x` to 0.5 to 1.5, so that roots and quotients are well-conditioned. */
const bounded = (x: Node) => affine(activate(x, ['sigmoid']), 1, 0.5);
const FUNCTIONS: readonly ActivationName[] = ['tanh', 'sigmoid', 'sigmoid', 'relu'];
const slice = (i: number) => FUNCTIONS[i % FUNCTIONS.length];
/**
 * Shifts `x`, which may be zero up to rounding, away from zero. Otherwise backends could be on
 * different sides of a kink.
 */
const aside = (x: Node) => affine(x, 1, 0.03);

const MAKERS = {
  add: { pairs: alike, make: (x, y) => scale(add(x, y), 0.7) },
  twice: { make: x => scale(add(x, x), 0.4) },
  subtract: { pairs: alike, make: (x, y) => subtract(x, y) },
  multiply: { pairs: alike, make: (x, y) => multiply(tanh(x), y) },
  divide: { pairs: alike, make: (x, y) => divide(x, bounded(y)) },
  exponential: { make: x => exponential(tanh(x)) },
  squareRoot: { make: x => squareRoot(bounded(x)) },
  activate: { make: (x, _y, option) => activate(aside(x), [slice(option)]) },
  // for a vector, the function would differ within one SIMD vector
  perSlice: {
    fits: isAboveVector,
    make: (x, _y, option) =>
      activate(
        aside(x),
        Array.from({ length: x.shape[0] }, (_, i) => slice(i + option)),
      ),
  },
  positive: { make: x => positive(aside(x)) },
  maximum: { pairs: alike, make: (x, y) => maximum(x, aside(y)) },
  polynomial: { make: (x, _y, option) => polynomial(tanh(x), [[option % 3, 0.5, -0.5, 1]]) },
  logSumExp: { fits: isAboveVector, make: x => logSumExp(x) },
  sum: {
    fits: isAboveVector,
    make: (x, _y, option) =>
      scale(
        sum(
          x,
          allAxes(x).filter(axis => axis !== option % x.shape.length),
        ),
        0.3,
      ),
  },
  broadcast: {
    fits: () => true,
    pairs: (x, y, option) => y.shape.length > x.shape.length && axesIn(x, y.shape, option) !== null,
    make: (x, y, option) => broadcast(x, y.shape, axesIn(x, y.shape, option) as number[]),
  },
  // the gradient of an element of a vector branches along the vector
  select: {
    fits: x => isAboveVector(x) && !isColumns(x),
    make: (x, _y, option) => select(x, option % x.shape[0]),
  },
  stack: {
    fits: x => isRank(1)(x) || isRank(2)(x),
    pairs: alike,
    make: (x, y, option) => stack([x, y], [0, 1 + (option % 2)], 3),
  },
  transpose: { fits: isRank(2), make: x => tanh(transpose(x, [1, 0])) },
  rotate: { fits: isRank(3), make: x => transpose(x, [1, 2, 0]) },
  product: {
    fits: isRank(2),
    pairs: (x, y) => isRank(2)(y) && y.shape[1] === x.shape[1],
    make: (x, y) => scale(contract('bk,jk->bj', x, y), 0.2),
  },
  outer: {
    fits: isRank(2),
    pairs: (x, y) => isRank(2)(y) && y.shape[0] === x.shape[0],
    make: (x, y) => scale(contract('bk,bj->kj', x, y), 0.2),
  },
  gates: {
    fits: isRank(3),
    pairs: (x, y) => isRank(2)(y) && y.shape[1] === x.shape[2],
    make: (x, y) => scale(contract('gjk,bk->gbj', x, y), 0.2),
  },
  many: { pairs: alike, make: (x, _y, _option, others) => tanh(addAll([x, ...others.slice(0, 12)])) },
  gather: {
    fits: isRank(2),
    pairs: (x, y) => y.symbols !== undefined && y.symbols <= x.shape[0],
    make: (x, y) => gather(x, y),
  },
  oneHot: {
    fits: x => x.name?.startsWith('class') === true,
    make: (x, _y, option) => oneHot(x, 2 + (option % 5)),
  },
} as const satisfies Record<string, Maker>;

/**
 * Ascending axes of `shape` with the extents of `x`: the first match or, if `option` is odd, the
 * last. Null if there is none.
 */
function axesIn(x: Node, shape: readonly number[], option: number): number[] | null {
  const subsets: number[][] = [[]];
  shape.forEach((_, axis) => void subsets.push(...subsets.map(set => [...set, axis])));
  const fitting = subsets.filter(axes =>
    sameShape(
      axes.map(axis => shape[axis]),
      x.shape,
    ),
  );
  return (option % 2 ? fitting.at(-1) : fitting[0]) ?? null;
}

export const instructions: fc.Arbitrary<Instruction[]> = fc.array(
  fc.record({
    make: fc.constantFrom(...(Object.keys(MAKERS) as (keyof typeof MAKERS)[])),
    first: fc.nat(1000),
    second: fc.nat(1000),
    option: fc.nat(100),
  }),
  { minLength: 4, maxLength: 24 },
);

/** Inputs of ranks 0 to 3, class indices and symbols, with names that start with `prefix`. */
export function graphInputs(graph: Graph, prefix: string, { b, h, g }: GraphExtents): Node[] {
  return [
    graph.input(`${prefix}scalar`, []),
    graph.input(`${prefix}row`, [h]),
    graph.input(`${prefix}square`, [h, h]),
    graph.input(`${prefix}matrix`, [b, h]),
    graph.input(`${prefix}other`, [b, h]),
    graph.input(`${prefix}gates`, [g, b, h]),
    graph.input(`${prefix}weights`, [g, h, h]),
    graph.input(`class${prefix}`, [b]),
    graph.input(`${prefix}symbols`, [h], { symbols: b }),
  ];
}

/**
 * The nodes made by `instructions` from `inputs`, in order. Skips instructions without a fitting
 * operand.
 */
export function makeNodes(inputs: readonly Node[], instructions: readonly Instruction[]): Node[] {
  const known = [...inputs];
  for (const { make, first, second, option } of instructions) {
    const maker: Maker = MAKERS[make];
    const operands = known.filter(x => maker.fits?.(x) ?? x.shape.length > 0);
    if (operands.length === 0) continue;
    const x = operands[first % operands.length];
    const pairs = known.filter(y => maker.pairs?.(x, y, option));
    if (maker.pairs && pairs.length === 0) continue;
    const start = second % Math.max(pairs.length, 1);
    const others = [...pairs.slice(start), ...pairs.slice(0, start)];
    const made = maker.make(x, others[0], option, others);
    // a kernel cannot return a scalar; it can only be broadcast
    if (made.shape.length > 0) known.push(made);
  }
  return known.slice(inputs.length);
}
