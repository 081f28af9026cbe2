/** What a loss is: one value per prediction in the graph, and how these become the mean. */
import type { LossConfig } from '../config/index.js';
import type { Node } from '../graph/node.js';

/**
 * A loss with its settings, as every thread gets it: as a config has it, but with weights of
 * classes that are numbers, and without what the data have already settled.
 */
export type LossSettings = {
  readonly [K in LossConfig['kind']]: { readonly kind: K } & Partial<
    Resolved<Omit<Extract<LossConfig, { kind: K }>, 'kind' | 'ignored_index'>>
  >;
}[LossConfig['kind']];

type Resolved<T> = { readonly [Key in keyof T]: Numeric<Exclude<T[Key], 'balanced'>> };
/** Lists of any length. */
type Numeric<T> = T extends readonly number[] ? readonly number[] : T;

/** The settings of one kind of loss. */
export type SettingsOf<K extends LossConfig['kind']> = Extract<LossSettings, { kind: K }>;

/** Vectors that the graph of a loss reads, by name. */
export type Constants<T> = Readonly<Record<string, T>>;

export interface Loss {
  /** The targets it takes: a class index per prediction, or numbers. */
  readonly target: 'class' | 'value';
  /**
   * Numbers of a target in the graph for C outputs, as an axis of its own; null: one number without
   * an axis, a class. A target of the data that has fewer is repeated: each of its numbers stands
   * as often as there are outputs for it.
   */
  targetWidth(outputSize: number): number | null;
  /** The vectors that `rows` is given, for C outputs. */
  constants?(outputSize: number): Constants<readonly number[]>;
  /**
   * Loss of each prediction, summed over its numbers: prediction `[B, C]`, target `[B]` or `[B,
   * C]`, result `[B]`.
   */
  rows(prediction: Node, target: Node, constants: Constants<Node>): Node;
  /**
   * What a prediction of C outputs with the class `label` counts in the mean: the sum of all `rows`
   * is divided by the sum of all shares.
   */
  share(outputSize: number, label: number): number;
  /**
   * The prediction in the terms of the target, from C outputs; the outputs themselves if absent.
   */
  readonly point?: (outputs: Float32Array) => Float32Array;
  /** The quantiles that it predicts, in the order of the config; absent if it predicts none. */
  readonly quantiles?: readonly PredictedQuantile[];
}

export interface PredictedQuantile {
  /** Between 0 and 1. */
  readonly level: number;
  /** The quantile of each number of the target, from C outputs. */
  readonly point: (outputs: Float32Array) => Float32Array;
}
