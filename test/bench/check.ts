/** Whether a run is slower than a baseline. */
import { type Results, ratiosOf } from './results.js';
import { noiseOf, type Spread } from './statistics.js';

/**
 * What two runs of the same program differ by although each is steady in itself: another page
 * layout, another neighbour on the machine, another clock rate.
 */
const BETWEEN_RUNS = 0.1;
/** The same on another machine, or beside other work. */
const LOOSELY = 1;
/** Where more growth than this would pass for noise, nothing can be said. */
const MAX_ALLOWED = 0.6;

export interface Regression {
  readonly id: string;
  readonly before: Spread;
  readonly now: Spread;
  /** Growth that would still have been noise, such as 0.12. */
  readonly allowed: number;
}

export interface Check {
  readonly regressions: readonly Regression[];
  /** Ratios of both runs that could be judged. */
  readonly compared: number;
  /** Ratios whose rounds scatter too much or, if checked loosely, that were disturbed. */
  readonly noisy: readonly string[];
  /** Ratios of the baseline that this run did not measure. */
  readonly missing: readonly string[];
}

/**
 * Compares ratios, never times: a ratio was measured against another program on the same machine in
 * the same minutes, so a slower machine or a busy hour moves both its halves. A ratio has regressed
 * where
 *
 *     now / before > 1 + 0.1 + 2 * sqrt(noise(before)^2 + noise(now)^2)
 *
 * with medians over the rounds, and as noise half the interquartile range relative to the median.
 * For a normal distribution that is 0.67 standard deviations of a single round; twice it, for both
 * runs together, is exceeded by chance far less than once in a hundred, since the median of five
 * rounds is steadier than a round. 0.1 is what runs differ by anyway.
 */
export function compare(
  before: Results,
  now: Results,
  { loosely = false, only }: { readonly loosely?: boolean; readonly only?: RegExp | undefined } = {},
): Check {
  const after = ratiosOf(now);
  const disturbed = ratiosOf({ rows: [], figures: now.figures.filter(one => one.disturbed) });
  const regressions: Regression[] = [];
  const noisy: string[] = [];
  const missing: string[] = [];
  let compared = 0;
  for (const [id, old] of ratiosOf(before)) {
    const ratio = after.get(id);
    if (!ratio) {
      if (only?.test(id) ?? true) missing.push(id);
      continue;
    }
    if (loosely && disturbed.has(id)) {
      noisy.push(id);
      continue;
    }
    const noise = 2 * Math.hypot(noiseOf(old), noiseOf(ratio));
    const allowed = (loosely ? LOOSELY : BETWEEN_RUNS) + noise;
    if (noise > MAX_ALLOWED - BETWEEN_RUNS) {
      noisy.push(id);
      continue;
    }
    compared++;
    if (ratio.median / old.median > 1 + allowed) regressions.push({ id, before: old, now: ratio, allowed });
  }
  return { regressions, compared, noisy, missing };
}
