/** What the values of a series are like: their season, level and growth. */
import type { Interval } from '../data/core/record.js';
import { differences, intervalOf } from '../data/forecast/times.js';
import { countsOf, keysOf } from './columns.js';
import type { Reading } from './readings.js';
import { timesIn } from './steps.js';

/** The values of each series of usual length, with the last one before each gap. */
export function valuesOf({ target, layout, regular }: Reading): number[][] {
  const numbers = keysOf(target);
  return (regular?.rows ?? layout.rows)
    .filter(({ length }) => length >= layout.shortest)
    .map(list => carriedForward(list.map(row => (row === undefined ? Number.NaN : numbers[row]))));
}

function medianInterval(times: readonly number[]): number {
  return median(differences(times));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The seasons that are usual for the times of a series, the shortest one first, in steps. */
function usualSeasons(
  times: readonly number[],
  { slots, step = DAY }: Partial<Interval>,
  isRegular: boolean,
): {
  readonly seasons: readonly number[];
  readonly calendar: readonly string[];
} {
  if (times.length < 2) return { seasons: [], calendar: [] };
  const interval = medianInterval(times);
  if (slots && step < DAY) {
    const day = median([...countsOf(slots.map(slot => String(Math.floor((slot * step) / DAY)))).values()]);
    return { seasons: [day, slots.length], calendar: ['hour', 'day_of_week'] };
  }
  if (slots && step === DAY) {
    const year = 52 * slots.length;
    return { seasons: [slots.length, year, year + 1], calendar: ['day_of_week', 'day_of_year'] };
  }
  const areWorkdays = times.every(time => ![0, 6].includes(new Date(time).getUTCDay()));
  if (interval < DAY) {
    // a market is closed at night: a day has as many steps as rows
    const all = Math.round(DAY / interval);
    const day = isRegular ? all : Math.min(all, stepsOfDay(times));
    const seasons = [day, (areWorkdays ? 5 : 7) * day];
    return { seasons, calendar: ['hour', 'day_of_week'] };
  }
  if (interval === DAY) {
    // a year of 52 weeks keeps the day of the week
    const seasons = areWorkdays ? [5, 260, 261] : [7, 364, 365];
    return { seasons, calendar: ['day_of_week', 'day_of_year'] };
  }
  if (interval < 27 * DAY) return { seasons: interval === 7 * DAY ? [52] : [], calendar: ['day_of_year'] };
  if (interval < 32 * DAY) return { seasons: [12], calendar: ['month'] };
  return { seasons: interval > 88 * DAY && interval < 93 * DAY ? [4] : [], calendar: [] };
}

/** Rows of most days. */
function stepsOfDay(times: readonly number[]): number {
  const rows = new Map<number, number>();
  for (const time of times) rows.set(Math.floor(time / DAY), (rows.get(Math.floor(time / DAY)) ?? 0) + 1);
  return median([...rows.values()]);
}

/** A longer season must have errors that are smaller by this fraction. */
const MIN_GAIN = 0.1;

/** The season of a series. */
export interface Season {
  /** In steps; undefined if the series are too short for a usual one. */
  readonly season: number | undefined;
  /** Why it is this one, if several are usual. */
  readonly why?: string | undefined;
  /** The shortest usual one. */
  readonly usual: number | undefined;
  readonly calendar: readonly string[];
}

/** Chooses the usual season that is best repeated in the training split, of several series. */
export function seasonOf(reading: Reading): Season {
  const { order, rows, shortest } = reading.layout;
  const times = order?.isDate ? rows[0].map(row => order.at[row]) : [];
  const interval = order?.isColumn ? intervalOf(rows[0], timesIn(order)) : undefined;
  const { seasons, calendar } = usualSeasons(times, interval ?? {}, reading.regular !== undefined);
  const [usual] = seasons;
  const possible = seasons.filter(steps => steps <= shortest / 4);
  const [first, ...longer] = possible;
  if (longer.length === 0) return { season: first, usual, calendar };
  const start = longer[longer.length - 1];
  const all = valuesOf(reading).map(values => splitOf(values).trained);
  const errorOf = (season: number) =>
    mean(
      all.map(values => {
        const errors = values.slice(start).map((value, i) => Math.abs(value - values[start + i - season]));
        return mean(errors) / (spreadOf(values) || 1);
      }),
    );
  const best = longer.reduce((a, b) => (errorOf(b) < errorOf(a) ? b : a));
  const gain = 1 - errorOf(best) / errorOf(first);
  if (!(gain > MIN_GAIN))
    return {
      season: first,
      usual,
      calendar,
      why: `in the training split, the values of ${best} steps before are no nearer`,
    };
  const percent = Math.round(100 * gain);
  const why = `in the training split, the values of ${best} steps before are nearer than those of ${first} steps before, by ${percent} %`;
  return { season: best, usual, calendar, why };
}

/** Fraction of the rows for the test split, and of those before it for the validation split. */
export const HELD_OUT = 0.15;

/** The values of the training split, and those of the validation split after them. */
function splitOf(series: readonly number[]) {
  const known = series.slice(0, Math.floor((1 - HELD_OUT) * series.length));
  const trained = known.slice(0, Math.floor((1 - HELD_OUT) * known.length));
  return { trained, next: known.slice(trained.length) };
}

/**
 * Chooses the level that a forecast starts from. A series whose pattern repeats, in few seasons,
 * starts from the last one: there is too little to learn the pattern from. Otherwise, the level is
 * that of the better naive forecast, if the mean of the validation split differs from that of
 * training by more than the error of this forecast: a model of the values themselves would have to
 * forecast values unlike any that it learned from. Undefined for series that stay at their level,
 * where subtracting it only adds noise. The test split is not used.
 */
export function levelOf(all: readonly number[][], horizon: number, season: number | undefined) {
  const parts = all.map(splitOf);
  /** Mean errors in `values` of the forecast from `lag(h)` steps before step h. */
  const errorOf = (values: readonly number[], lag: (h: number) => number): number =>
    mean(
      Array.from({ length: horizon }, (_, h) =>
        values.slice(lag(h)).map((value, i) => Math.abs(value - values[i])),
      ).flat(),
    );
  /** How far the mean moves from training to validation, relative to these errors. */
  const movesBy = (lag: (h: number) => number): number =>
    mean(
      parts.map(({ trained, next }) => {
        const moved = Math.abs(mean(next) - mean(trained));
        // a constant series does not move
        return moved === 0 ? 0 : moved / errorOf(trained, lag);
      }),
    );
  const last = movesBy(h => h + 1);
  if (season !== undefined) {
    const repeats = parts.every(({ trained }) => errorOf(trained, () => season) < 0.5 * spreadOf(trained));
    const isShort = parts.some(({ trained }) => trained.length < FEW_SEASONS * season);
    if (repeats && isShort) return 'season';
  }
  const seasonal = season === undefined ? 0 : movesBy(() => season);
  return Math.max(last, seasonal) <= 1 ? undefined : seasonal >= last ? 'season' : 'last_value';
}

/**
 * True if the values rise, and the differences within a season with them. The test split is not
 * used.
 */
export function isMultiplicative(all: readonly number[][], season: number | undefined): boolean {
  if (season === undefined || all.flat().some(value => !(value > 0))) return false;
  return all.every(series => {
    const count = Math.floor(((1 - HELD_OUT) * series.length) / season);
    const seasons = Array.from({ length: count }, (_, i) => series.slice(i * season, (i + 1) * season));
    const levels = seasons.map(values => Math.log(mean(values)));
    const spreads = seasons.map(values => {
      const centre = mean(values);
      return Math.log(Math.sqrt(mean(values.map(value => (value - centre) ** 2))));
    });
    const rises = Math.max(...levels) - Math.min(...levels) >= Math.log(2);
    const [level, spread] = [mean(levels), mean(spreads)];
    const slope =
      mean(levels.map((value, i) => (value - level) * (spreads[i] - spread))) /
      mean(levels.map(value => (value - level) ** 2));
    return rises && slope >= 0.5;
  });
}

/** Their mean distance from their mean. */
function spreadOf(values: readonly number[]): number {
  const centre = mean(values);
  return mean(values.map(value => Math.abs(value - centre)));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Too few to learn a pattern from. */
const FEW_SEASONS = 12;

/** Without missing values, which become the last one before them. */
function carriedForward(values: readonly number[]): number[] {
  const filled: number[] = [];
  for (const value of values) {
    const known = Number.isNaN(value) ? filled.at(-1) : value;
    if (known !== undefined) filled.push(known);
  }
  return filled;
}
