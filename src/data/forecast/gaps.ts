/**
 * Finds steps that are missing in the series of a forecast. A window counts steps as rows, so it
 * reads across a gap as if nothing were missing.
 */

import { type Diagnostic, damagedErrors } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { TimeGaps } from '../core/dataset.js';
import { everyOf } from '../core/intervals.js';
import type { Interval, Preparation } from '../core/record.js';
import type { RowList, Rows } from '../csv/rows.js';
import type { ForecastConfig } from './facts.js';
import type { TrainedSeries } from './series.js';
import { intervalWords, positionsOf, type Times, usualStep } from './times.js';

interface TimedSeries {
  readonly name: string;
  readonly rows: readonly number[];
}

/** Less than this many usual steps is jitter, or a pattern such as Monday, Wednesday, Friday. */
const MIN_GAP = 1.75;

/**
 * Returns the gaps of all series; undefined if there are none.
 * @param known that of the training data
 * @param first the first step of a series whose gaps count; the usual step is that of all steps
 * @param last the last such step
 */
export function timeGaps(
  all: readonly TimedSeries[],
  times: Times,
  known?: Interval,
  first = 0,
  last = Number.POSITIVE_INFINITY,
): TimeGaps | undefined {
  let [count, missing] = [0, 0];
  let largest: TimeGaps['largest'] | undefined;
  for (const { name, rows } of all) {
    const { positions, ...interval } = positionsOf(rows, times, known);
    const step = usualStep(positions);
    if (step === undefined) continue;
    for (let i = first + 1; i < rows.length && i <= last; i++) {
      const steps = (positions[i] - positions[i - 1]) / step;
      if (steps < MIN_GAP) continue;
      const lacking = Math.round(steps) - 1;
      count++;
      missing += lacking;
      if (largest !== undefined && largest.missing >= lacking) continue;
      const [after, before] = [times.order[rows[i - 1]], times.order[rows[i]]];
      const usual = { ...interval, count: step };
      const every = everyOf(usual);
      largest = {
        ...{ series: name, missing: lacking, after, before, step: intervalWords(usual) },
        ...(every !== undefined && { every }),
      };
    }
  }
  return largest && { count, missing, largest };
}

export function gapWords({ count, missing, largest }: TimeGaps): {
  readonly lacking: string;
  readonly expected: string;
} {
  const { after, before, series, step } = largest;
  const lacking = `${counted(missing, 'step')} ${missing === 1 ? 'is' : 'are'} missing`;
  const between = `between ${after} and ${before}${series === '' ? '' : ` in series ${JSON.stringify(series)}`}`;
  const where =
    count === 1 ? ` ${between}` : `, in ${count} gaps; the largest lacks ${largest.missing} ${between}`;
  return { lacking: lacking + where, expected: `a row for each step (usual step: ${step})` };
}

export interface InputSeries {
  /** Empty if the table is one series. */
  readonly name: string;
  /** Its rows, in the order of their times. */
  readonly list: RowList;
  readonly rows: Rows;
  readonly preparation: Preparation | undefined;
  readonly trained: TrainedSeries;
  /** What makes its predictions doubtful. */
  readonly warnings: readonly Diagnostic[];
}

/** Steps of a series that a window reads. */
export interface WindowRange {
  readonly first: number;
  /** The last one with a target. */
  readonly last: number;
  /** Number of steps after it. */
  readonly ahead: number;
}

/**
 * Steps that are missing in a window. They are warned of, as before training: some series lack
 * steps for a reason, such as the holidays of a market, and the model learned to read across them.
 * But what comes after a gap that is longer than the window does not continue it.
 */
export function gapWarnings(
  { name, list, rows, trained: { interval } }: InputSeries,
  { input_steps, horizon, time }: ForecastConfig,
  { first, last, ahead }: WindowRange,
): readonly Diagnostic[] {
  if (time === undefined) return [];
  const series = [{ name, rows: list }];
  const leap = timeGaps(series, rows, interval, last, last + Math.min(1, ahead));
  const gaps = timeGaps(series, rows, interval, first, last + ahead);
  if (gaps === undefined) return [];
  const isTooLong = leap !== undefined && leap.missing >= input_steps + horizon;
  const told = isTooLong ? leap : gaps;
  const { lacking, expected } = gapWords(told);
  const place = rows.place(list.find(row => rows.order[row] === told.largest.before) ?? list[0]);
  const code = isTooLong ? 'data/forecast-steps' : 'data/time-gaps';
  const effect = isTooLong
    ? 'The rows without a target do not continue the series'
    : 'The forecast treats the rows as consecutive';
  const problem = { code, message: `${lacking}. ${effect}`, ...place, expected };
  if (isTooLong) throw damagedErrors([problem]);
  return [problem];
}
