/** Interface of losses: one value per prediction in the graph, and its share in the mean. */
import type { LossConfig } from '../../config/index.js';
import type { Node } from '../graph/node.js';

/**
 * A loss with its settings, as passed to every thread: the config's, but with class weights as
 * numbers, and without keys that have been applied to the data.
 */
export type LossSettings = {
  readonly [K in LossConfig['kind']]: { readonly kind: K } & Partial<
    Resolved<Omit<Extract<LossConfig, { kind: K }>, 'kind' | 'ignored_index'>>
  >;
}[LossConfig['kind']];

type Resolved<T> = { readonly [Key in keyof T]: Numeric<Exclude<T[Key], 'balanced'>> };
/** Converts tuples to lists of any length. */
type Numeric<T> = T extends readonly number[] ? readonly number[] : T;

/** Settings of one kind of loss. */
export type SettingsOf<K extends LossConfig['kind']> = Extract<LossSettings, { kind: K }>;

/** Vectors that the graph of a loss reads, by name. */
export type Constants<T> = Readonly<Record<string, T>>;

export interface Loss {
  /** Kind of the targets: a class index per prediction, or numbers. */
  readonly target: 'class' | 'value';
  /**
   * Number of target values in the graph for C outputs, as an axis of its own; null for a class:
   * one number without an axis. A target of the data with fewer values is repeated: each value
   * occurs once for each of its outputs.
   */
  targetWidth(outputSize: number): number | null;
  /** Vectors passed to `rows`, for C outputs. */
  constants?(outputSize: number): Constants<readonly number[]>;
  /**
   * Loss of each prediction, summed over its values: prediction `[B, C]`, target `[B]` or `[B, C]`,
   * result `[B]`.
   */
  rows(prediction: Node, target: Node, constants: Constants<Node>): Node;
  /**
   * Weight in the mean of a prediction with C outputs and class `label`: the sum of all `rows` is
   * divided by the sum of all shares.
   */
  share(outputSize: number, label: number): number;
  /**
   * Converts C outputs to a prediction in the form of the target. Absent: the outputs themselves.
   */
  readonly point?: (outputs: Float32Array) => Float32Array;
  /** Predicted quantiles, in the order of the config; absent for other losses. */
  readonly quantiles?: readonly PredictedQuantile[];
}

export interface PredictedQuantile {
  /** Between 0 and 1. */
  readonly level: number;
  /** Quantile of each target value, from C outputs. */
  readonly point: (outputs: Float32Array) => Float32Array;
}
