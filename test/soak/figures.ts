/** One line of the table of `npm run soak`. */
export interface Figures {
  readonly what: string;
  readonly cases: number;
  /** In words, each with what finds it again. */
  readonly failures: readonly string[];
  readonly note?: string;
  /** Processor time of the slowest case. */
  readonly slowestMs?: number;
  readonly peakMb?: number;
}

/** How much of something to try, and how. */
export interface Extent {
  readonly seed: number;
  readonly cases: number;
  /** Processes at a time. */
  readonly jobs: number;
}
