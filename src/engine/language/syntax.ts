/**
 * The language of kernels: the subset of JavaScript that the ops write, as a tree. One parser
 * serves the lint, which proves that a kernel avoids gpu.js's silent wrong answers, and our
 * compiler for the webasm backend.
 */

export type Axis = 'x' | 'y' | 'z';

export type BinaryOperator = '+' | '-' | '*' | '/';

/** Functions of one argument, then of two. */
export const UNARY_FUNCTIONS = ['abs', 'exp', 'log', 'sqrt', 'tanh'] as const;
export const BINARY_FUNCTIONS = ['max', 'min'] as const;
export type UnaryFunction = (typeof UNARY_FUNCTIONS)[number];
export type BinaryFunction = (typeof BINARY_FUNCTIONS)[number];

export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'thread'; readonly axis: Axis }
  /** A local, a loop variable or a scalar argument. */
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'read'; readonly array: string; readonly index: readonly Expression[] }
  | { readonly kind: 'negate'; readonly operand: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | {
      readonly kind: 'call';
      readonly function: UnaryFunction | BinaryFunction;
      readonly operands: readonly Expression[];
    };

export type Selector = Extract<Expression, { kind: 'thread' | 'name' }>;

export type Statement =
  | { readonly kind: 'define'; readonly name: string; readonly mutable: boolean; readonly value: Expression }
  | { readonly kind: 'assign'; readonly name: string; readonly add: boolean; readonly value: Expression }
  | {
      readonly kind: 'loop';
      readonly variable: string;
      readonly from: number;
      /** Exclusive. */
      readonly to: number;
      readonly body: readonly Statement[];
    }
  /** The first case whose numbers contain the selector, else `otherwise`. */
  | {
      readonly kind: 'branch';
      /** A thread axis, a loop variable or an integer argument. */
      readonly selector: Selector;
      readonly cases: readonly { readonly numbers: readonly number[]; readonly body: readonly Statement[] }[];
      readonly otherwise: readonly Statement[];
    };

export interface KernelTree {
  readonly parameters: readonly string[];
  readonly body: readonly Statement[];
  readonly result: Expression;
}

/** A kernel is outside of the language or breaks one of its rules; the message says where. */
export class KernelError extends Error {
  override readonly name = 'KernelError';
}
