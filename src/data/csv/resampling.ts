/**
 * Resampling: steps at regular times, each made of the rows of an interval of time, like
 * `DataFrame.resample` of pandas. An interval begins at its time and ends before the next one.
 * Hours, days and the like are counted from 1970-01-01 in UTC (`origin='epoch'`), weeks from a
 * Monday, and months are those of the calendar, so that new data have the steps of the training
 * data.
 */
import type { Diagnostic } from '../../util/errors.js';
import { calendarValues } from '../core/calendar.js';
import { ZONED } from '../core/cells.js';
import type { FeatureColumn } from '../core/columns.js';
import { aggregated, type Intervals, intervalsOf, type Resampling } from '../core/intervals.js';
import { MISSING_VALUE } from '../core/problems.js';
import { FILLED } from './columns.js';
import { MAX_NUMBERS, type RowList, type Rows } from './rows.js';

/** Problem: the order column does not have what intervals are made of. */
export function wrongInterval(every: string | number) {
  const isNumber = typeof every === 'number';
  return {
    code: 'data/resample',
    message: `steps every ${every} need an order column of ${isNumber ? 'numbers' : 'dates or times'}`,
    expected: isNumber ? 'a duration such as 1h' : 'a number, in the unit of the order column',
  };
}

/** Problem: no row of a step has a value. */
export function emptyStep(time: string, place: Partial<Diagnostic>): Diagnostic {
  const message = `the step of ${time} has no value`;
  return { code: MISSING_VALUE, message, ...place, expected: FILLED };
}

export function tooManySteps(owner: string): Diagnostic {
  return {
    code: 'data/resample',
    message: `the sequence${owner} would have too many steps`,
    expected: `at most ${MAX_NUMBERS} numbers; a larger \`resample.every\``,
  };
}

export interface ResampledColumns {
  readonly features: readonly FeatureColumn[];
  /** Number of targets in a row. */
  readonly targets: number;
  /** True if targets are values of their step. */
  readonly areValues: boolean;
  /** Name of the order column. */
  readonly order: string;
}

/** How a number of a step comes from those of its rows, or from its time. */
type StepRule = Resampling['by'] | 'static' | ((time: number) => number);

/** Makes steps of the rows of a sequence. */
export class Resampler {
  private readonly intervals: Intervals;
  private readonly rules: readonly StepRule[];

  constructor(
    private readonly resampling: Resampling,
    private readonly columns: ResampledColumns,
  ) {
    const { every, by } = resampling;
    this.intervals = intervalsOf(every);
    this.rules = columns.features.flatMap(({ name, encode, calendar = [], isStatic }): StepRule[] => {
      const numbers = encode === 'calendar' ? 2 * calendar.length : 1;
      if (isStatic) return Array(numbers).fill('static');
      if (encode === undefined) return [by];
      const isDate = encode === 'calendar' || encode === 'elapsed';
      if (!isDate || name !== columns.order) return Array(numbers).fill('last');
      // elapsed times of dates are in seconds
      if (encode === 'elapsed') return [time => (typeof every === 'number' ? time : time / 1000)];
      return Array.from({ length: numbers }, (_, i) => time => calendarValues(time, calendar)[i]);
    });
  }

  /** True if a sequence has more steps than are read. @param list sorted by time */
  isTooLong({ keys }: Rows, list: RowList): boolean {
    const { of } = this.intervals;
    const steps = of(keys[list[list.length - 1]]) - of(keys[list[0]]) + 1;
    return steps * this.rules.length > MAX_NUMBERS;
  }

  /**
   * Returns the rows of the steps: the first row of each interval, changed, or a new row for an
   * interval without any.
   * @param list sorted by time
   */
  steps(rows: Rows, list: RowList): number[] {
    const { of, start, text } = this.intervals;
    const { keys, order } = rows;
    const isZoned = list.length > 0 && ZONED.test(order[list[0]]);
    const first = of(keys[list[0]]);
    const steps: number[] = [];
    for (let at = 0, interval = first; at < list.length; interval++) {
      const own: number[] = [];
      while (at < list.length && of(keys[list[at]]) === interval) own.push(list[at++]);
      const row = own[0] ?? this.empty(rows, steps[steps.length - 1]);
      const time = start(interval);
      this.merge(rows, row, own, time);
      keys[row] = time;
      order[row] = text(time, isZoned);
      steps.push(row);
    }
    return steps;
  }

  /** Adds a row without values, of the sequence of row `before`. */
  private empty(rows: Rows, before: number): number {
    const { features, starts, targets, splits, groups } = rows;
    const row = rows.count;
    const columns = splits.length / row;
    for (const [i, rule] of this.rules.entries())
      features.push(rule === 'static' ? features.at(starts[before] + i) : Number.NaN);
    for (let i = 0; i < this.columns.targets; i++) targets.push(Number.NaN);
    splits.push(...splits.slice(before * columns, (before + 1) * columns));
    groups.push(groups[before]);
    rows.end(rows.place(before));
    return row;
  }

  private merge({ features, starts, targets }: Rows, row: number, own: RowList, time: number): void {
    for (const [i, rule] of this.rules.entries()) {
      if (rule === 'static') continue;
      const values = () => own.map(one => features.at(starts[one] + i));
      features.set(starts[row] + i, typeof rule === 'function' ? rule(time) : aggregated(values(), rule));
    }
    const { targets: count, areValues } = this.columns;
    for (let i = 0; i < count; i++) {
      const values = own.map(one => targets[one * count + i]);
      targets[row * count + i] = aggregated(values, areValues ? this.resampling.by : 'last');
    }
  }
}
