/**
 * Adaptive conformal inference (Gibbs and Candès, 2021): along a series, the level of intervals
 * follows how many of them have missed. Each value of each step of the horizon has a level a of its
 * own, which starts at a* = 1 - coverage. As soon as the value is known,
 *
 *     a <- a + adapt (a* - [the interval missed])
 *
 * and its score joins those of the calibration. An interval then has the quantile
 * 1 - a of all of these scores. Where the paper has an infinite interval (a <= 0, or too few scores
 * for a), it reaches to the largest score: its width is then a number, but a series whose errors
 * keep growing is covered less often. As in the paper, a stays between -adapt and 1 + adapt.
 */
import type { ForecastWindow } from '../../data/core/record.js';
import { conformalRank, type IntervalsConfig } from './conformal.js';

export interface AdaptiveIntervals extends Pick<IntervalsConfig, 'coverage'> {
  readonly adapt: number;
  /** `[steps][values][n]`: of the calibration, for each value of each step of the horizon. */
  readonly scores: readonly (readonly (readonly number[])[])[];
}

/** Undefined if intervals do not adapt. */
export function adaptationOf({
  coverage,
  adapt,
  scores,
}: Partial<AdaptiveIntervals> = {}): Adaptation | undefined {
  if (coverage === undefined || adapt === undefined || scores === undefined) return undefined;
  return new Adaptation({ coverage, adapt, scores });
}

/** How many windows before a new one its intervals adapt to: their effect is small before that. */
export function windowsToAdapt({ adapt }: { readonly adapt?: number | undefined }): number {
  return adapt === undefined ? 0 : Math.ceil(2 / adapt);
}

interface Level {
  level: number;
  /** In ascending order. */
  readonly scores: number[];
}

interface Forecast {
  readonly at: Level;
  readonly score: number;
  readonly quantile: number;
  /** Of the series. */
  readonly step: number;
}

interface Series {
  readonly levels: readonly (readonly Level[])[];
  /** Whose step the latest window has not seen. */
  open: Forecast[];
}

export class Adaptation {
  private readonly series = new Map<string, Series>();

  constructor(private readonly intervals: AdaptiveIntervals) {}

  /**
   * Returns the quantiles `[steps][values]` for a window, after what is known at its first step.
   * The windows of a series come in the order of time.
   */
  quantilesAt({ series: name, first }: ForecastWindow): number[][] {
    const series = this.of(name);
    const isKnown = ({ step }: Forecast) => step < first;
    for (const forecast of series.open.filter(isKnown)) this.learn(forecast);
    series.open = series.open.filter(window => !isKnown(window));
    return series.levels.map(row => row.map(quantileOf));
  }

  /** Adds the scores of step `row` of a window, one for each value; NaN does not count. */
  add({ series, first, times }: ForecastWindow, row: number, scores: ArrayLike<number>): void {
    const { levels, open } = this.of(series);
    // a prediction of the whole horizon has the values of each step
    const values = (levels.length * scores.length) / times.length;
    for (const [value, at] of levels[row].entries()) {
      const step = first + row + Math.floor(value / values);
      const score = scores[value];
      if (!Number.isNaN(score)) open.push({ at, score, quantile: quantileOf(at), step });
    }
  }

  private learn({ at, score, quantile }: Forecast): void {
    const { coverage, adapt } = this.intervals;
    const level = at.level + adapt * (1 - coverage - Number(score > quantile));
    at.level = Math.min(1 + adapt, Math.max(-adapt, level));
    const next = at.scores.findIndex(other => other > score);
    at.scores.splice(next < 0 ? at.scores.length : next, 0, score);
  }

  private of(name: string): Series {
    const known = this.series.get(name);
    if (known) return known;
    const { coverage, scores } = this.intervals;
    const levelOf = (stepScores: readonly number[]) => ({
      level: 1 - coverage,
      scores: stepScores.toSorted((a, b) => a - b),
    });
    const made = { levels: scores.map(values => values.map(levelOf)), open: [] };
    this.series.set(name, made);
    return made;
  }
}

function quantileOf({ level, scores }: Level): number {
  const rank = conformalRank(scores.length, 1 - level);
  return scores[Math.min(Math.max(rank, 1), scores.length) - 1];
}
