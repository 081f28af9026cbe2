/**
 * Synthetic problems whose targets are sequences of symbols, as records of JSON Lines: dates as
 * people write them, letters to reverse or to sort, and melodies of three numbers.
 */

import type { RandomStream } from '../../util/random.js';
import type { JsonlConfig } from '../jsonl/facts.js';
import type { JsonRecord } from '../jsonl/records.js';

interface DrawSettings {
  /** Letters of the shortest and the longest input of `reverse` and `sort`. */
  readonly shortest: number;
  readonly longest: number;
  readonly isTest: boolean;
}

export interface RecordProblem {
  /** How the fields `input` and `target` are read. */
  readonly config: JsonlConfig;
  /** Values and symbols of the longest record; absent: twice `longest`. */
  readonly longestRecord?: number;
  draw(stream: RandomStream, settings: DrawSettings): JsonRecord;
}

const RECORDS = {
  kind: 'jsonl',
  path: '',
  input: 'input',
  target: 'target',
  target_kind: 'sequence',
  min_count: 1,
  per_step: false,
} as const;

const TEXTS = { ...RECORDS, input_kind: 'text', level: 'character', target_level: 'character' } as const;

const ALPHABET = [...'abcdefghijklmnopqrstuvwxyz'];

function lettersTo(answer: (letters: readonly string[]) => string[]): RecordProblem['draw'] {
  return (stream, { shortest, longest }) => {
    const length = shortest + stream.integer(longest - shortest + 1);
    const letters = Array.from({ length }, () => ALPHABET[stream.integer(ALPHABET.length)]);
    return { input: letters.join(''), target: answer(letters).join('') };
  };
}

const NOTES = ['C', 'C#', 'D', 'D#', 'E', 'F', 'F#', 'G', 'G#', 'A', 'A#', 'B'];
const FEWEST_NOTES = 4;
const MOST_NOTES = 16;
/** Each number of a melody differs from the integer that it stands for by less than this. */
const NOISE = 0.25;

/**
 * A melody of equal intervals within an octave. The input is one step of three numbers, in octaves:
 * the first note, the interval and the number of notes, each with noise.
 */
function drawMelody(stream: RandomStream): JsonRecord {
  const octave = NOTES.length;
  const first = stream.integer(octave);
  const interval = 1 + stream.integer(octave - 1);
  const length = FEWEST_NOTES + stream.integer(MOST_NOTES - FEWEST_NOTES + 1);
  const noisy = (value: number) => (value + NOISE * (2 * stream.uniform() - 1)) / octave;
  return {
    input: [[first, interval, length].map(noisy)],
    target: Array.from({ length }, (_, i) => NOTES[(first + i * interval) % octave]),
  };
}

const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);
const WEEKDAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

/** From 1950 to 2049, so that the last two digits of a year determine it. */
const FIRST_DAY = Date.UTC(1950, 0, 1);
const DAYS = 36525;
const MS_PER_DAY = 24 * 60 * 60 * 1000;
/** Every tenth day is in the test split only, and so is every fourth format. */
const TEST_DAYS = 10;
const TEST_FORMATS = 4;

type Form = (date: Date) => string;

const monthOf: Form = date => MONTHS[date.getUTCMonth()];
const weekdayOf: Form = date => WEEKDAYS[date.getUTCDay()];
const padded = (value: number): string => String(value).padStart(2, '0');

function ordinal(value: number): string {
  const isTeen = value > 10 && value < 14;
  return `${value}${(isTeen ? undefined : ['th', 'st', 'nd', 'rd'][value % 10]) ?? 'th'}`;
}

/** The forms of each part of a date. A format is one form of each, by number. */
const FORMS: readonly (readonly Form[])[] = [
  [() => '', date => `${weekdayOf(date).slice(0, 3)} `, date => `${weekdayOf(date)}, `],
  [date => `${date.getUTCDate()}`, date => padded(date.getUTCDate()), date => ordinal(date.getUTCDate())],
  [monthOf, date => monthOf(date).slice(0, 3), date => padded(date.getUTCMonth() + 1)],
  [date => `${date.getUTCFullYear()}`, date => `'${padded(date.getUTCFullYear() % 100)}`],
];
const ORDERS = 2;
const ORDINAL = 2;
const NUMBERED = 2;

/** `Mon 5th March 2001`, `March 5, '01`, `05.03.2001` or `03/5/2001`, and so on. */
function drawDate(stream: RandomStream, { isTest }: DrawSettings): JsonRecord {
  const day = drawn(
    () => stream.integer(DAYS),
    day => isTest === (day % TEST_DAYS === 0),
  );
  const date = new Date(FIRST_DAY + day * MS_PER_DAY);
  const format = drawn(
    () => [...FORMS.map(forms => stream.integer(forms.length)), stream.integer(ORDERS)],
    all => {
      const isHeldOut = all.reduce((a, b) => a + b) % TEST_FORMATS === 0;
      return (isTest || !isHeldOut) && !(all[1] === ORDINAL && all[2] === NUMBERED);
    },
  );
  return { input: written(date, format), target: date.toISOString().slice(0, 10) };
}

/** The first of `draw()` that fits. */
function drawn<T>(draw: () => T, fits: (value: T) => boolean): T {
  for (;;) {
    const value = draw();
    if (fits(value)) return value;
  }
}

function written(date: Date, format: readonly number[]): string {
  const [weekday, day, month, year] = FORMS.map((forms, part) => forms[format[part]](date));
  const isMonthFirst = format[FORMS.length] === 1;
  if (format[2] === NUMBERED)
    return `${weekday}${isMonthFirst ? `${month}/${day}/${year}` : `${day}.${month}.${year}`}`;
  return `${weekday}${isMonthFirst ? `${month} ${day}, ${year}` : `${day} ${month} ${year}`}`;
}

export const recordProblems = {
  dates: { config: TEXTS, longestRecord: 41, draw: drawDate },
  reverse: { config: TEXTS, draw: lettersTo(letters => letters.toReversed()) },
  sort: { config: TEXTS, draw: lettersTo(letters => letters.toSorted()) },
  melody: { config: { ...RECORDS, input_kind: 'number' }, longestRecord: 3 + MOST_NOTES, draw: drawMelody },
} as const satisfies Readonly<Record<string, RecordProblem>>;

export type RecordProblemName = keyof typeof recordProblems;
