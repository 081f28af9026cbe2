/** Metrics of predicted sequences of symbols. */
import { editDistance } from './edits.js';
import { type Accumulator, ERROR, FRACTION, metric, type Scored } from './metric.js';

/** The distance of a prediction from the target nearest to it. */
export interface Nearest {
  readonly errors: number;
  /** Length of the target. */
  readonly length: number;
}

/** Rows with the same input are one prediction with several targets: the nearest counts. */
export class NearestTargets<T = unknown> {
  private readonly found = new Map<string, Nearest & { readonly thing: T }>();

  /** @param make what to keep with the nearest target */
  add({ point, target, input = '' }: Scored, make: () => T): void {
    const [errors, { length }] = [editDistance(target, point), target];
    const known = this.found.get(input);
    // of equally near ones the longest, so that the order of the rows does not matter
    if (known && (known.errors < errors || (known.errors === errors && known.length >= length))) return;
    this.found.set(input, { errors, length, thing: make() });
  }

  /** In the order of the data. */
  get all(): readonly (Nearest & { readonly thing: T })[] {
    return [...this.found.values()];
  }
}

/** NaN without a symbol in any target. */
export function tokenErrors(all: readonly Nearest[]): number {
  return sum(all, ({ errors }) => errors) / sum(all, ({ length }) => length);
}

/** The fraction without an error. */
export function exactFraction(all: readonly Nearest[]): number {
  return sum(all, ({ errors }) => (errors === 0 ? 1 : 0)) / all.length;
}

function sum(all: readonly Nearest[], numberOf: (nearest: Nearest) => number): number {
  return all.reduce((total, nearest) => total + numberOf(nearest), 0);
}

const ofNearest = (score: (all: readonly Nearest[]) => number) => (): Accumulator => {
  const nearest = new NearestTargets();
  return {
    add: prediction => nearest.add(prediction, () => undefined),
    get value() {
      const value = score(nearest.all);
      return Number.isNaN(value) ? undefined : value;
    },
  };
};

export const tokenErrorRate = metric({
  description: 'Edit distance from the target, divided by its length.',
  measures: 'decisions',
  ...ERROR,
  tasks: {
    sequences: {
      formula:
        'sum_n d(z_n, y_n) / sum_n abs(y_n) over the inputs n, where d is the number of insertions, deletions and substitutions that turn y_n into the prediction z_n. If several sequences have the same input, y_n is the target with the smallest d; of several such, the longest',
      make: ofNearest(tokenErrors),
    },
  },
});

export const sequenceAccuracy = metric({
  description: 'Fraction of predicted sequences without an error.',
  measures: 'decisions',
  ...FRACTION,
  tasks: {
    sequences: { formula: 'fraction of the inputs n with d(z_n, y_n) = 0', make: ofNearest(exactFraction) },
  },
});
