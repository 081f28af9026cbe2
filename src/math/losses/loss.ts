/** Interface of losses: one value per prediction or sequence, and its weight in the mean. */
import * as s from '../../util/schema.js';
import type { Node } from '../graph/node.js';
import type { Task } from '../metrics/metric.js';

export interface LossKind<Kind extends string = string, P extends s.Fields = s.Fields>
  extends s.Variant<Kind, P> {
  readonly task: Task;
  /** As Markdown, for the reference. */
  readonly formula: string;
  /** Its class in torch.nn. */
  readonly pytorch?: string;
  /** A trivial baseline besides the mean. */
  readonly bestConstant?: 'median' | 'quantiles';
  /** Outputs for each number of a target; absent: 1. */
  outputs?(settings: MadeFrom<s.VariantOf<Kind, P>>): number;
  make(settings: MadeFrom<s.VariantOf<Kind, P>>): Loss;
}

export const loss = <const Kind extends string, P extends s.Fields>(kind: LossKind<Kind, P>) => ({
  ...kind,
  settings: s.variant(kind),
});

/**
 * The settings that a loss is made from, as passed to every thread: the config's, but with class
 * weights as numbers, and without keys that have been applied to the data.
 */
export type MadeFrom<T extends { readonly kind: string }> = { readonly kind: T['kind'] } & Partial<
  Numeric<Omit<T, 'kind' | 'ignored_index'>>
>;

type Numeric<T> = { readonly [Key in keyof T]: NumberList<Exclude<T[Key], 'balanced'>> };
/** Converts tuples to lists of any length. */
type NumberList<T> = T extends readonly number[] ? readonly number[] : T;

export type Constants<T> = Readonly<Record<string, T>>;

/** Of each prediction by itself, or of all outputs of a sequence. */
export type Loss = LossOfPredictions | LossOfSequences;

interface AnyLoss {
  /**
   * Target values in the graph for C outputs, as an axis; null for symbols, which have no axis. A
   * target of the data with fewer values is repeated, once for each output of a value.
   */
  targetWidth(outputSize: number): number | null;
  /** The sum of all losses is divided by the sum of these weights. */
  weight(outputSize: number, label: number): number;
  /** Vectors passed to `rows`, for C outputs. */
  constants?(outputSize: number): Constants<readonly number[]>;
  /**
   * Converts C outputs to a prediction in the form of the target. Absent: the outputs themselves.
   */
  readonly point?: (outputs: Float32Array) => Float32Array;
  /** In the order of the config: the quantile of each target value, from C outputs. */
  readonly quantiles?: readonly PredictedQuantile[];
}

export interface LossOfPredictions extends AnyLoss {
  /** Kind of the targets: a class index per prediction, numbers, or the symbols of a decoder. */
  readonly target: 'class' | 'value' | 'sequence';
  /** Summed over the values of a prediction: `[B, C]`, target `[B]` or `[B, C]` -> `[B]`. */
  rows(prediction: Node, target: Node, constants: Constants<Node>): Node;
}

/** Computed outside the graph, in float64: equal on every backend. */
export interface LossOfSequences extends AnyLoss {
  readonly target: 'sequence';
  /**
   * Writes the loss of each sequence `[B]` and, unless absent, the gradient of the weighted sum
   * with respect to the outputs `[T, B, C]`. A sequence of weight 0 has loss 0.
   */
  compute(batch: SequenceBatch, losses: Numbers, gradient?: Numbers): void;
}

export function isOfSequences(loss: Loss): loss is LossOfSequences {
  return 'compute' in loss;
}

type Numbers = Float32Array | Float64Array;

/** Outputs of B sequences, and their targets. */
export interface SequenceBatch {
  readonly batch: number;
  readonly classes: number;
  /** `[T, B, C]`. */
  readonly outputs: Numbers;
  /** `[B]`. */
  readonly lengths: Numbers;
  /** `[S, B]`; negative after the end of a target. */
  readonly targets: Numbers;
  /** `[B]`. */
  readonly weights: Numbers;
}

export interface PredictedQuantile {
  readonly level: number;
  readonly point: (outputs: Float32Array) => Float32Array;
}

/** What losses of value targets have in common: a mean over all values. */
export const OF_VALUES = {
  target: 'value',
  targetWidth: (outputSize: number) => outputSize,
  weight: (outputSize: number) => outputSize,
} as const satisfies Partial<LossOfPredictions>;
