/**
 * How contenders are asked: each is a long-lived child process that reads one JSON request a line
 * and answers with one JSON line. They take turns, so whatever the machine does in the meantime
 * happens to all of them alike.
 */
import type { BenchCase } from './cases.js';

export type Request =
  /**
   * Make ready what `case` needs: data, compiled kernels, warm caches. Replaces the case before.
   */
  | { readonly op: 'prepare'; readonly case: BenchCase }
  /**
   * Time calls of the prepared case one by one until `budget_s` is spent: at least one, at most
   * `most`.
   */
  | { readonly op: 'measure'; readonly budget_s: number; readonly most: number };

export interface Hello {
  readonly versions: Readonly<Record<string, string>>;
  /** Threads that it really computes with. */
  readonly threads: number;
  /** Models that it can be asked for; absent: the LSTM alone. */
  readonly models?: readonly string[];
}

export interface Prepared {
  readonly seconds: number;
}

export interface Measured {
  /** Milliseconds of each call, by the contender's own monotonic clock. */
  readonly times_ms: readonly number[];
}

export interface Failure {
  readonly error: string;
}
