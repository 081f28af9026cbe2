/** What a benchmark run leaves behind: the JSON that `--json` writes and `--check` reads. */
import { readFileSync } from 'node:fs';
import type { Manifest } from '../../src/run/manifest.js';
import type { BenchCase } from './cases.js';
import type { ContenderName, Other } from './contenders.js';

export const RESULTS_VERSION = 1;

export interface Timing {
  readonly threads: number;
  /** Milliseconds of one call; over the rounds' medians. */
  readonly ms: Spread;
  /** The median of each round, in the order in which they were measured. */
  readonly rounds_ms: readonly number[];
}

export interface Row {
  readonly case: BenchCase;
  readonly timings: Readonly<Partial<Record<ContenderName, Timing>>>;
  /** Our time over the other's, over the rounds; below 1 where we are faster. */
  readonly ratios: Readonly<Partial<Record<Other, Spread>>>;
  /** Who was not measured here, and why. */
  readonly left_out: Readonly<Partial<Record<Other, string>>>;
}

/** A figure of the whole program rather than of a part. */
export interface Figure {
  readonly id: string;
  readonly what: string;
  readonly unit: 's' | 'ms' | 'MB' | '';
  readonly ours: Spread;
  /** What it is compared with, where it is. */
  readonly other?: { readonly name: string; readonly value: Spread };
  /**
   * Ours over the other's; or, without another, a ratio that the figure is by itself. Below 1 is
   * better.
   */
  readonly ratio?: Spread;
  /** Set if other programs kept the threads waiting while it was measured. */
  readonly disturbed?: true;
}

export interface Results {
  readonly version: typeof RESULTS_VERSION;
  readonly date: string;
  readonly machine: Manifest['machine'];
  /** The widest vectors of the processor; absent in older files. */
  readonly vectors?: 'AVX-512' | 'AVX2' | 'other' | undefined;
  readonly versions: Readonly<Record<string, string>>;
  readonly rounds: number;
  readonly threads: number;
  readonly rows: readonly Row[];
  readonly figures: readonly Figure[];
  /** Contenders that are not on this machine, and what else a reader should know. */
  readonly notes: readonly string[];
}

/** Every ratio by a name that is the same from run to run. */
export function ratiosOf({ rows, figures }: Pick<Results, 'rows' | 'figures'>): Map<string, Spread> {
  const ratios = new Map<string, Spread>();
  for (const row of rows) {
    for (const [other, ratio] of Object.entries(row.ratios)) ratios.set(`${row.case.id} : ${other}`, ratio);
  }
  for (const { id, other, ratio } of figures) {
    if (ratio) ratios.set(other ? `${id} : ${other.name}` : id, ratio);
  }
  return ratios;
}

/** @throws Error if the file is no result of this version */
export function readResults(file: string): Results {
  const results: Results = JSON.parse(readFileSync(file, 'utf8'));
  if (results.version === RESULTS_VERSION) return results;
  throw new Error(`${file} has version ${results.version}, not ${RESULTS_VERSION}`);
}

export interface Spread {
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
}

/**
 * Quartiles by linear interpolation between order statistics (Hyndman and Fan 1996, type 7: NumPy's
 * default).
 */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const at = (fraction: number) => {
    const position = fraction * (sorted.length - 1);
    const below = Math.floor(position);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
  };
  return { q1: at(0.25), median: at(0.5), q3: at(0.75) };
}

export function medianOf(values: readonly number[]): number {
  return spreadOf(values).median;
}

/**
 * Time of `ours` over time of `other`, round by round: both halves of a ratio were measured within
 * the same moments, so what slows the machine down for a while cancels.
 */
export function ratioOf(ours: readonly number[], other: readonly number[]): Spread {
  if (ours.length !== other.length) throw new RangeError('ratios need as many rounds of one as of the other');
  return spreadOf(ours.map((time, round) => time / other[round]));
}

/**
 * Half the interquartile range over the median, which a difference may have below 0: how far a
 * figure is off, relative to itself.
 */
export function noiseOf({ q1, median, q3 }: Spread): number {
  return (q3 - q1) / 2 / Math.abs(median);
}
