/** Calendar features of times: the position in a cycle, as sine and cosine of its angle. */

export const MS_OF_DAY = 86_400_000;
const DAYS_OF_YEAR = 365.2425;

const CYCLES = {
  hour: time => (time.getTime() / MS_OF_DAY) % 1,
  day_of_week: time => ((time.getUTCDay() + 6) % 7) / 7,
  day_of_month: time => (time.getUTCDate() - 1) / 31,
  day_of_year: time => (time.getTime() - Date.UTC(time.getUTCFullYear(), 0)) / MS_OF_DAY / DAYS_OF_YEAR,
  month: time => time.getUTCMonth() / 12,
} as const satisfies Readonly<Record<string, (time: Date) => number>>;

export type CalendarFeature = keyof typeof CYCLES;

export const CALENDAR_FEATURES = Object.keys(CYCLES) as CalendarFeature[];

/** @param time milliseconds since 1970 */
export function calendarValues(time: number, features: readonly CalendarFeature[]): number[] {
  const date = new Date(time);
  return features.flatMap(feature => {
    const angle = 2 * Math.PI * CYCLES[feature](date);
    return [Math.sin(angle), Math.cos(angle)];
  });
}

/** The names of these values. */
export function calendarNames(features: readonly CalendarFeature[]): string[] {
  return features.flatMap(feature => [`sin ${feature}`, `cos ${feature}`]);
}
