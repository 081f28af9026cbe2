/** What `compare --json` prints; schema in schemas/comparison.schema.json. */

import type { Json } from '../../run/json.js';
import type { Effect } from '../../util/schema.js';
import type { Interval } from '../statistics.js';

export interface Comparison {
  readonly version: 1;
  readonly sides: readonly SideInfo[];
  readonly config: readonly ConfigDifference[];
  readonly facts: readonly FactDifference[];
  readonly metrics: readonly MetricComparison[];
  readonly performance: readonly Performance[];
  readonly left_out: readonly { readonly run: string; readonly reason: string }[];
  readonly notes: readonly string[];
}

export interface SideInfo {
  readonly id: string;
  readonly name: string;
  readonly seeds: readonly number[];
  readonly runs: readonly SideRun[];
}

export interface SideRun {
  readonly run_id: string;
  readonly directory: string;
  readonly seed: number | null;
  readonly left_out: string | null;
}

/** By side; empty if the key is not set, several if the runs of the side differ. */
type Values = readonly (readonly Json[])[];

export interface ConfigDifference {
  readonly key: string;
  readonly values: Values;
  readonly differs: boolean;
  readonly changes: readonly Effect[];
}

export interface FactDifference {
  readonly key: string;
  readonly values: Values;
  readonly differs: boolean;
  readonly changes_results: boolean;
}

export interface MetricComparison {
  readonly metric: string;
  readonly larger_is_better: boolean;
  readonly sides: readonly MetricOfSide[];
  readonly comparisons: readonly SideComparison[];
}

export interface MetricOfSide {
  readonly side: string;
  readonly n: number;
  readonly mean: number | null;
  /** Sample standard deviation over the seeds; null for fewer than two. */
  readonly spread: number | null;
  readonly best: number | null;
  readonly values: readonly { readonly seed: number; readonly run_id: string; readonly value: number }[];
  readonly left_out: readonly { readonly run_id: string; readonly reason: string }[];
}

/**
 * `no value`: one of the sides has no value. `cannot tell`: one of the sides has a single seed, so
 * its spread is unknown. `identical`: both sides have the same value for every seed.
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
  readonly paired: boolean;
  /** Number of pairs; if not paired, number of values of both sides together. */
  readonly n: number;
  /** If paired, number of values whose seed the other side lacks. */
  readonly unpaired: number;
  readonly difference: number | null;
  /** Bootstrap interval (BCa, 95 %) of `difference`; null for fewer than five values. */
  readonly interval: Interval | null;
  readonly test: TestResult | null;
  /** At the 5 % level, corrected for the number of comparisons. */
  readonly verdict: ComparisonVerdict;
  readonly reason: string | null;
}

export interface TestResult {
  readonly name: 'wilcoxon_signed_rank' | 'mann_whitney';
  /** Exact, two-sided p-value. */
  readonly p: number;
  /** p, corrected by Holm's method for the comparisons with the first side. */
  readonly p_adjusted: number;
  /** The smallest p that this number of values can reach. */
  readonly p_least: number;
}

export interface Performance {
  readonly side: string;
  readonly ms_per_step: number | null;
  readonly duration_s: number | null;
  readonly peak_rss_mb: number | null;
  readonly machines: readonly string[];
}
