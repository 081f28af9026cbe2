/**
 * What a comparison says, as a plain document: what `compare --json` prints, laid out in
 * schemas/comparison.schema.json.
 */
import type { Json } from '../../experiment/files/json.js';
import type { Interval } from '../statistics/interval.js';

export interface Comparison {
  readonly version: 1;
  /** The others are compared with the first. */
  readonly sides: readonly SideInfo[];
  /** Keys of the configs whose values differ; all where they were asked for. */
  readonly config: readonly ConfigDifference[];
  /** What else differs: data, code, versions, backend, machine. */
  readonly facts: readonly FactDifference[];
  readonly metrics: readonly MetricComparison[];
  readonly performance: readonly Performance[];
  /** Runs that belong to no side. */
  readonly left_out: readonly { readonly run: string; readonly reason: string }[];
  /** What a reader should know, a sentence each. */
  readonly notes: readonly string[];
}

export interface SideInfo {
  /** `A`, `B`, …: how the rest of the document calls it. */
  readonly id: string;
  /** The argument, with what sets it apart from its other sides where it has several. */
  readonly name: string;
  /** Ascending, of the runs that count. */
  readonly seeds: readonly number[];
  readonly runs: readonly SideRun[];
}

export interface SideRun {
  readonly run_id: string;
  /** Absolute. */
  readonly directory: string;
  readonly seed: number | null;
  /** Why it does not count; null where it does. */
  readonly left_out: string | null;
}

/**
 * What a key of the config changes:
 *
 * - `numerics`: the computation itself
 * - `data`: what is read, and what of it
 * - `data_order`: which sequences meet in which batch, and when
 * - `initialisation`: the weights before the first step
 * - `length`: how long is trained
 * - `unknown`: a key of another version, of which nothing is known
 */
export type Effect = 'numerics' | 'data' | 'data_order' | 'initialisation' | 'length' | 'unknown';

/**
 * The values of each side, in the order of the sides: none where the key is not set, several where
 * its runs differ.
 */
type Values = readonly (readonly Json[])[];

export interface ConfigDifference {
  readonly key: string;
  readonly values: Values;
  readonly differs: boolean;
  /** Empty: it changes nothing about the results. */
  readonly changes: readonly Effect[];
}

export interface FactDifference {
  /** Such as `versions.cellrun`. */
  readonly key: string;
  readonly values: Values;
  readonly differs: boolean;
  /** Whether results can differ because of it. */
  readonly changes_results: boolean;
}

export interface MetricComparison {
  /** Such as `test.accuracy`. */
  readonly metric: string;
  readonly larger_is_better: boolean;
  readonly sides: readonly MetricOfSide[];
  /** One for each side but the first. */
  readonly comparisons: readonly SideComparison[];
}

export interface MetricOfSide {
  readonly side: string;
  readonly n: number;
  readonly mean: number | null;
  /** Sample standard deviation over the seeds; null of fewer than two. */
  readonly spread: number | null;
  /** Of the final values, by the metric's direction. */
  readonly best: number | null;
  /** By seed. */
  readonly values: readonly { readonly seed: number; readonly run_id: string; readonly value: number }[];
  /** Runs that count but have no finite value. */
  readonly left_out: readonly { readonly run_id: string; readonly reason: string }[];
}

/**
 * `no value`: one of the sides has none, so that there is nothing to judge. `cannot tell`: one of
 * the sides has a single seed, which says nothing of chance.
 */
export type ComparisonVerdict =
  | 'better'
  | 'worse'
  | 'not distinguishable'
  | 'cannot tell'
  | 'identical'
  | 'no value';

export interface SideComparison {
  readonly side: string;
  readonly against: string;
  /** Whether values were paired by seed. */
  readonly paired: boolean;
  /** Pairs, or values of both sides together where there are none. */
  readonly n: number;
  /** Values whose seed the other side lacks. */
  readonly unpaired: number;
  /** Mean of the differences, `side` less `against`; of the means where nothing is paired. */
  readonly difference: number | null;
  /** Bootstrap interval (BCa, 95 %) of that difference; null of fewer than five values. */
  readonly interval: Interval | null;
  readonly test: TestResult | null;
  /** At the 5 % level, after the correction for several sides. */
  readonly verdict: ComparisonVerdict;
  /** Why no more can be said; null where nothing is missing. */
  readonly reason: string | null;
}

export interface TestResult {
  readonly name: 'wilcoxon_signed_rank' | 'mann_whitney';
  /** Exact, two-sided. */
  readonly p: number;
  /** Holm's, over the sides compared with the first. */
  readonly p_adjusted: number;
  /** The least p that so many values can give. */
  readonly p_least: number;
}

/** Means over the runs that count. */
export interface Performance {
  readonly side: string;
  readonly ms_per_step: number | null;
  readonly duration_s: number | null;
  readonly peak_rss_mb: number | null;
  /** Processor, cores, backend and threads; several where the runs differ. */
  readonly machines: readonly string[];
}
