/** What a fuzzer needs to know of a reader. */
import type { RandomStream } from '../../src/util/random.js';

export interface FuzzTarget {
  readonly name: string;
  /** Whether a case takes so long that a twentieth of the cases must do. */
  readonly isCostly?: boolean;
  /** Makes what all cases share in an empty folder. */
  open(folder: string): FuzzCases | Promise<FuzzCases>;
}

/** How many of `cases` a reader gets. */
export function casesOf({ isCostly }: FuzzTarget, cases: number): number {
  return isCostly ? Math.ceil(cases / 20) : cases;
}

/** Damages something as `random` says; what is given back reads it. */
export type FuzzCases = (random: RandomStream) => FuzzRead;

/** Throws what the reader throws, and fails if that takes for good what cannot be. */
export type FuzzRead = () => unknown;

export function ensure(holds: boolean, promise: string): void {
  if (!holds) throw new Error(`unsound: ${promise}`);
}
