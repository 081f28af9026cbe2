/**
 * Test cases for every op: graphs that use it, with random shapes and attributes, and the tolerance
 * for its kernels.
 */
import fc from 'fast-check';
import type { Graph, Node } from '../../src/math/graph/node.js';
import { type Shape, sizeOf, type Tensor } from '../../src/math/graph/shape.js';
import { broadcast, sum } from '../../src/math/ops/broadcast.js';
import { contract } from '../../src/math/ops/contract.js';
import {
  type ActivationName,
  absolute,
  activate,
  add,
  divide,
  exponential,
  maximum,
  multiply,
  polynomial,
  positive,
  softplus,
  squareRoot,
  subtract,
} from '../../src/math/ops/elementwise.js';
import { gather } from '../../src/math/ops/gather.js';
import { logSumExp } from '../../src/math/ops/log_sum_exp.js';
import { oneHot } from '../../src/math/ops/one_hot.js';
import { select, stack } from '../../src/math/ops/stack.js';
import { transpose } from '../../src/math/ops/transpose.js';
import type { RandomStream } from '../../src/util/random.js';

/**
 * Values of an input: any numbers; positive ones; positive and negative ones away from zero; class
 * indices, including the ignored index and some out of range; or symbols, all in range.
 */
type Domain = 'any' | 'positive' | 'nonzero' | { readonly classes: number } | { readonly symbols: number };

export interface OpInput {
  readonly shape: Shape;
  readonly domain: Domain;
  /** The op has no gradient with respect to this input, though its result depends on it. */
  readonly withoutGradient?: true;
}

export interface OpCase {
  readonly inputs: readonly OpInput[];
  /** The op over nodes of those shapes. */
  build(nodes: readonly Node[]): Node;
  readonly text: string;
}

/** Random extents of the last axis, along which kernels use vectors, and of other axes. */
export interface Extents {
  readonly last: fc.Arbitrary<number>;
  readonly other: fc.Arbitrary<number>;
}

export interface OpSuite {
  cases(extents: Extents): fc.Arbitrary<OpCase>;
  /** The largest error of a kernel, relative to `magnitude`. */
  readonly tolerance: number;
  /** The reference is NaN for infinity, since Horner's scheme multiplies it by 0. */
  readonly onlyNan?: true;
  /** Values that errors are relative to; default: the magnitude of the result. */
  magnitude?(result: Node, inputs: readonly Tensor[]): Float64Array;
}

/** Relative distance between adjacent float32 numbers. */
const ULP = 2 ** -23;

/** A shape of `least` to `most` axes. */
function shapes({ last, other }: Extents, least: number, most: number): fc.Arbitrary<number[]> {
  return fc
    .tuple(fc.array(other, { minLength: least - 1, maxLength: most - 1 }), last)
    .map(([leading, width]) => [...leading, width]);
}

/** A random subset of the axes of `shape`. */
function someAxes(shape: Shape, least: number, most: number): fc.Arbitrary<number[]> {
  return fc.subarray(
    shape.map((_, axis) => axis),
    { minLength: least, maxLength: most },
  );
}

function unary(domain: Domain, op: (x: Node) => Node, least = 1): OpSuite['cases'] {
  return extents =>
    shapes(extents, least, 3).map(shape => ({
      inputs: [{ shape, domain }],
      build: ([x]) => op(x),
      text: `[${shape}]`,
    }));
}

function binary(second: Domain, op: (a: Node, b: Node) => Node): OpSuite['cases'] {
  return extents =>
    shapes(extents, 1, 3).map(shape => ({
      inputs: [
        { shape, domain: 'any' },
        { shape, domain: second },
      ],
      build: ([a, b]) => op(a, b),
      text: `[${shape}]`,
    }));
}

/** A single item for a whole shape, or one for each index of a leading axis. */
function perSlice<T>([first, ...rest]: Shape, item: fc.Arbitrary<T>): fc.Arbitrary<T[]> {
  const single = fc.array(item, { minLength: 1, maxLength: 1 });
  if (rest.length === 0) return single;
  return fc.oneof(single, fc.array(item, { minLength: first, maxLength: first }));
}

/**
 * Products with axes in every order and role that the notation allows, for tensors of at most three
 * axes.
 */
const NOTATIONS = [
  ...['bk,kj->bj', 'bk,jk->bj', 'kb,kj->bj', 'kb,jk->bj', 'bk,bk->b', 'kb,kb->b', 'b,j->bj', 'k,kj->j'],
  ...['bk,gjk->gbj', 'gbj,gjk->bk', 'gbj,bk->gjk', 'gbk,gkj->gbj', 'gkb,gjk->gbj', 'bk,k->b', 'gb,gb->gb'],
  ...['gbk,gbk->g', 'kgb,kgj->bgj', 'g,gbj->bj'],
];

/**
 * The op's reference for the magnitudes of its inputs. The rounding errors of its sums are relative
 * to it.
 */
function ofMagnitudes({ op, attributes, shape }: Node, inputs: readonly Tensor[]): Float64Array {
  const absolute = inputs.map(input => ({ shape: input.shape, data: input.data.map(Math.abs) }));
  return op?.reference(absolute, attributes, shape) ?? new Float64Array();
}

export const suites: Readonly<Record<string, OpSuite>> = {
  absolute: { tolerance: 0, cases: unary('any', absolute) },
  activate: {
    tolerance: 3e-7,
    // absolute, since sigmoid and tanh are at most 1 and small results need no relative accuracy;
    // relu is exact
    magnitude: ({ shape }) => new Float64Array(sizeOf(shape)).fill(1),
    cases: extents =>
      shapes(extents, 1, 3).chain(shape =>
        perSlice(shape, fc.constantFrom<ActivationName>('sigmoid', 'tanh', 'relu')).map(functions => ({
          inputs: [{ shape, domain: 'any' }],
          build: ([x]) => activate(x, functions),
          text: `[${shape}] ${functions}`,
        })),
      ),
  },
  add: { tolerance: ULP, cases: binary('any', add) },
  broadcast: {
    tolerance: 0,
    cases: extents =>
      shapes(extents, 1, 3).chain(shape =>
        someAxes(shape, 0, shape.length - 1).map(axes => ({
          inputs: [{ shape: axes.map(axis => shape[axis]), domain: 'any' }],
          build: ([x]) => broadcast(x, shape, axes),
          text: `axes ${axes} of [${shape}]`,
        })),
      ),
  },
  contract: {
    tolerance: 16 * ULP,
    magnitude: ofMagnitudes,
    cases: ({ last, other }) =>
      fc
        .tuple(fc.constantFrom(...NOTATIONS), fc.record({ b: other, g: other, j: last, k: last }))
        .map(([notation, extents]) => {
          const [a, b] = notation.split('->')[0].split(',');
          const shape = (letters: string) => [...letters].map(letter => extents[letter as 'b']);
          return {
            inputs: [
              { shape: shape(a), domain: 'any' },
              { shape: shape(b), domain: 'any' },
            ],
            build: ([x, y]) => contract(notation, x, y),
            text: `${notation} of [${shape(a)}], [${shape(b)}]`,
          };
        }),
  },
  divide: { tolerance: 3 * ULP, cases: binary('nonzero', divide) },
  // WGSL allows 3 + 2|x| ULP; beyond |x| = 88 the result is infinite or zero
  exponential: { tolerance: 8 * ULP, cases: unary('any', exponential) },
  gather: {
    tolerance: 0,
    cases: ({ last, other }) =>
      fc.tuple(other, other, other, last).map(([batch, symbols, more, width]) => ({
        inputs: [
          { shape: [symbols + more - 1, width], domain: 'any', withoutGradient: true },
          { shape: [batch], domain: { symbols } },
        ],
        build: ([table, rows]) => gather(table, rows),
        text: `${batch} of ${symbols} rows of ${width}`,
      })),
  },
  log_sum_exp: {
    tolerance: 16 * ULP,
    magnitude: (_result, [{ data, shape }]) => {
      const width = shape[shape.length - 1];
      return Float64Array.from({ length: data.length / width }, (_, row) =>
        data.slice(row * width, (row + 1) * width).reduce((most, x) => Math.max(most, Math.abs(x)), 1),
      );
    },
    cases: unary('any', logSumExp, 2),
  },
  maximum: { tolerance: 0, cases: binary('any', maximum) },
  multiply: { tolerance: ULP, cases: binary('any', multiply) },
  one_hot: {
    tolerance: 0,
    cases: extents =>
      fc
        .tuple(shapes({ ...extents, last: extents.other }, 1, 2), extents.last)
        .map(([shape, numClasses]) => ({
          inputs: [{ shape, domain: { classes: numClasses } }],
          build: ([classes]) => oneHot(classes, numClasses),
          text: `[${shape}] of ${numClasses}`,
        })),
  },
  polynomial: {
    tolerance: 8 * ULP,
    onlyNan: true,
    magnitude: ({ attributes, shape, op }, [x]) => {
      const { functions } = attributes as { functions: number[][] };
      const absolute = functions.map(one => one.map(Math.abs));
      const data = x.data.map(Math.abs);
      return op?.reference([{ shape, data }], { functions: absolute }, shape) ?? data;
    },
    cases: extents =>
      shapes(extents, 1, 3).chain(shape => {
        const coefficient = fc.constantFrom(-2.5, -1, 0, 0.125, 0.5, 1, 3);
        const coefficients = fc.array(coefficient, { minLength: 1, maxLength: 5 });
        return perSlice(shape, coefficients).map(all => ({
          inputs: [{ shape, domain: 'any' }],
          build: ([x]) => polynomial(x, all),
          text: `[${shape}] ${JSON.stringify(all)}`,
        }));
      }),
  },
  positive: { tolerance: 0, cases: unary('any', positive) },
  select: {
    tolerance: 0,
    cases: extents =>
      fc.tuple(shapes(extents, 2, 3), fc.nat()).map(([shape, at]) => ({
        inputs: [{ shape, domain: 'any' }],
        build: ([x]) => select(x, at % shape[0]),
        text: `${at % shape[0]} of [${shape}]`,
      })),
  },
  // absolute for small results, since exp(x) far below 1 is lost in log(1 + exp(x))
  softplus: {
    tolerance: 16 * ULP,
    magnitude: (_result, [{ data }]) => data.map(x => Math.max(1, Math.abs(x))),
    cases: unary('any', softplus),
  },
  square_root: { tolerance: 3 * ULP, cases: unary('positive', squareRoot) },
  stack: {
    tolerance: 0,
    cases: extents =>
      fc.tuple(shapes(extents, 1, 2), fc.integer({ min: 1, max: 6 })).chain(([shape, count]) =>
        someAxes(new Array(count).fill(0), 1, count).map(positions => ({
          inputs: positions.map(() => ({ shape, domain: 'any' as const })),
          build: parts => stack(parts, positions, count),
          text: `[${shape}] at ${positions} of ${count}`,
        })),
      ),
  },
  subtract: { tolerance: ULP, cases: binary('any', subtract) },
  sum: {
    tolerance: 64 * ULP,
    magnitude: ofMagnitudes,
    cases: extents =>
      shapes(extents, 2, 3).chain(shape =>
        someAxes(shape, 1, shape.length - 1).map(keep => ({
          inputs: [{ shape, domain: 'any' }],
          build: ([x]) => sum(x, keep),
          text: `[${shape}] keeping ${keep}`,
        })),
      ),
  },
  transpose: {
    tolerance: 0,
    cases: extents =>
      shapes(extents, 2, 3).chain(shape =>
        fc
          .shuffledSubarray(
            shape.map((_, axis) => axis),
            { minLength: shape.length },
          )
          .filter(axes => axes.some((axis, i) => axis !== i))
          .map(axes => ({
            inputs: [{ shape, domain: 'any' }],
            build: ([x]) => transpose(x, axes),
            text: `[${shape}] by ${axes}`,
          })),
      ),
  },
};

export function inputOf(graph: Graph, name: string, { shape, domain }: OpInput): Node {
  const symbols = typeof domain === 'object' && 'symbols' in domain ? domain.symbols : undefined;
  return graph.input(name, shape, { symbols });
}

/** `size` values of `domain`, exactly representable in float32. */
export function sample({ shape, domain }: OpInput, random: RandomStream): Float32Array {
  return Float32Array.from({ length: sizeOf(shape) }, () => {
    const u = random.uniform();
    if (typeof domain === 'object') {
      if ('symbols' in domain) return random.integer(domain.symbols);
      return u < 0.2 ? -100 : random.integer(domain.classes + 2) - 1;
    }
    const magnitude = 0.3 + 2 * random.uniform();
    if (domain === 'positive') return magnitude;
    if (domain === 'nonzero') return u < 0.5 ? magnitude : -magnitude;
    return 4 * u - 2;
  });
}
