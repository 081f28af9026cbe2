/** An operation: a shape rule, a gradient, the source of its kernel, a float64 reference. */
import type { Node } from './node.js';
import type { Shape, Tensor } from './shape.js';

/** A JavaScript expression inside a kernel, in the subset that gpu.js compiles. */
export type Expression = string;

/**
 * `value` as a literal that every backend reads as a float: gpu.js reads a lone `2` as an integer,
 * but not the factor of `2 * x`. Throws RangeError if it is not finite.
 */
export function literal(value: number): Expression {
  if (!Number.isFinite(value)) throw new RangeError(`a kernel constant must be finite, got ${value}`);
  return value < 0 ? `(${value})` : `${value}`;
}

/** One expression per axis: the element of a tensor that a kernel reads or writes. */
export type Index = readonly Expression[];

/** Returns the value of an input at an index; emits the statements it needs. */
export interface Reader {
  (index: Index): Expression;
  /** `start` plus the value; if this kernel computes it as a sum, which then starts at `start`. */
  readonly from?: (start: Expression, index: Index) => Expression;
}

/** Writes the statements of one kernel; passed to `Op.emit`. */
export interface KernelWriter {
  /** Stores `value` in a variable, so that it is computed once; returns its name. */
  define(value: Expression): Expression;
  /** Sums `term` over loop variables from 0 to each of `extents`, the first outermost. */
  sum(extents: readonly number[], term: (variables: Index) => Expression, start?: Expression): Expression;
  /** Largest `term` over a loop variable from 0 to `extent`. */
  max(extent: number, term: (variable: Expression) => Expression): Expression;
  /** The value of the case with the number `selector`; of the last case if none matches. */
  choose(selector: Expression, cases: readonly (() => Expression)[]): Expression;
  /** An integer argument, so that kernels that differ only in its value share one source. */
  parameter(value: number): Expression;
}

/**
 * How the compiler may treat a node of an op:
 * - `view`: only renames indices; always written into its readers
 * - `unary`: one input, same shape, so reading the input again costs no more than reading the
 *   result
 * - `pointwise`: several inputs of the result's shape; written into its reader if it has only one
 * - `reduction`: loops; written into a single pointwise reader of the same shape
 * - `copy`: moves elements; always a kernel of its own
 */
export type OpKind = 'view' | 'unary' | 'pointwise' | 'reduction' | 'copy';

export interface Op<A = unknown> {
  readonly name: string;
  readonly kind: OpKind;
  /** If the whole result reads each element of each input at most once. */
  readonly readsOnce: boolean;
  /** Throws ShapeError if the inputs do not fit. */
  shape(inputs: readonly Shape[], attributes: A): Shape;
  /**
   * The vector-Jacobian product: for each input the gradient of sum(result * cotangent), or null if
   * there is none.
   */
  gradient(node: Node<A>, cotangent: Node): readonly (Node | null)[];
  /** In float64, row-major: the independent definition for tests of kernels and gradients. */
  reference(inputs: readonly Tensor[], attributes: A, shape: Shape): Float64Array;
  /** If `emit` takes a `start`: adding it at the end would need registers for two sets of sums. */
  readonly accumulates?: true;
  /** The result's element at `index`, added to `start` if there is one. */
  emit(
    writer: KernelWriter,
    inputs: readonly Reader[],
    index: Index,
    node: Node<A>,
    start?: Expression,
  ): Expression;
  /** Floating-point operations for the whole result; a function call counts as one. */
  flops(node: Node<A>): number;
}
