/**
 * A baseline: results of runs of one config in a small file, which is committed and which gates
 * compare with. Written by `review --pin`.
 */
import { readText } from './files.js';
import { type Json, parseValid } from './json.js';
import type { Manifest } from './manifest.js';

export interface BaselineMetric {
  readonly count: number;
  readonly mean: number;
  /** Sample standard deviation, with n - 1; `null` for a single value. */
  readonly spread: number | null;
  readonly by_seed: Readonly<Record<string, number>>;
}

export interface Baseline {
  readonly version: 1;
  readonly name: string;
  readonly metrics: Readonly<Record<string, BaselineMetric>>;
  readonly config_hash_by_seed: Readonly<Record<string, string>>;
  /**
   * Values that determine the results, by key path, without the seed; paths relative to the config.
   */
  readonly config: Readonly<Record<string, Json>>;
  readonly datasets: Manifest['datasets'];
  readonly versions: Readonly<Record<string, string>>;
  readonly backend: {
    readonly name: string;
    readonly executor: string;
    readonly arithmetic: string | null;
    readonly adapter: string | null;
    readonly threads: readonly (number | null)[];
  };
  readonly git: readonly { readonly revision: string; readonly dirty: boolean }[];
}

const MAX_BYTES = 16 * 2 ** 20;

/** Summed in seed order, so that equal values give byte-identical results. */
export function summarizeSeeds(bySeed: Readonly<Record<string, number>>): BaselineMetric {
  const seeds = Object.keys(bySeed).sort((a, b) => Number(a) - Number(b));
  const values = seeds.map(seed => bySeed[seed]);
  const { mean, spread } = momentsOf(values);
  return {
    count: values.length,
    mean,
    spread,
    by_seed: Object.fromEntries(seeds.map(seed => [seed, bySeed[seed]])),
  };
}

/** Of at least one value; the sample standard deviation with n - 1, in two passes. */
export function momentsOf(values: readonly number[]): { mean: number; spread: number | null } {
  const first = values[0];
  // the mean of equal values is exactly that value; a sum would round
  if (values.every(value => value === first)) return { mean: first, spread: values.length > 1 ? 0 : null };
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, spread: Math.sqrt(squares / (values.length - 1)) };
}

export function readBaseline(path: string): Baseline {
  return parseBaseline(path, readBaselineText(path));
}

export function readBaselineText(path: string): string {
  return readText(path, { maxBytes: MAX_BYTES });
}

export function parseBaseline(path: string, text: string): Baseline {
  return parseValid<Baseline>(path, text, 'baseline');
}
