/** Usual names of columns, and what they tell. */

export const USUAL = {
  group:
    /(^|[_ .-])(ids?|group|series|sequence|seq|sentence|session|subject|recording|trial|store|device|sensor|station|user|customer|client|account|patient|ticker|symbol|episode|item|person|participant|speaker|case|unit|machine|run|visit)#?$|[a-z](Id|ID)$/i,
  subject: /(subject|patient|person|participant|user|speaker|rider|driver|volunteer|animal|subj)/i,
  time: /^(time|times|timepoint|timestamp|datetime|date|day|hour|week|month|year|step|t|second|seconds|minute|sample|order|index|frame|tick|ts|ds|iculos)$|(^|_)(time|timestamp|step|frame|second|minute|hour)s?([_ ]?[[(]?(ms|us|s|sec|min|h|index|step)[\])]?)?$|^t[_ ]?[[(]?(ms|us|s|sec|min|h)[\])]?$|^(ms|msec|millis|milliseconds)$/i,
  year: /^(year|yr)$/i,
  month: /^(month|mon)$/i,
  quarter: /^(quarter|qtr)$/i,
  day: /^(day|date|mday|day_of_month|date_of_month)$/i,
  hour: /^(hour|hr|hours|hour_of_day|hod)$/i,
  minute: /^(minute|min|minutes)$/i,
  /** A number that is known at the end. */
  outcome:
    /(^|[_ .-])(los|stay|survival|mortality|score|severity|yield|wear|rul|lifetime|recovery|response|price|cost)([_ .-]|$)/i,
  /** Where something is in a text. */
  chapter:
    /^(act|scene|chapter|verse|canto|book|volume|page|section|paragraph|stanza)([_ .-]?(no|number))?$/i,
  duration: /durat|elapsed|length|pace|(^|[_ .-])lap/i,
  forecast:
    /(^|[_ .-])(values?|sales|demand|load|count|total|close|consumption|usage|revenue|visitors|passengers|quantity|amount|rides|trips|orders|bookings|production)([_ .(-]|$)/i,
  birth: /(^|[_ .-])(dob|birth|born|birthday|birthdate)([_ .-]|$)/i,
  /** What contains others, whose names may start again in each. */
  place:
    /(^|[_ .-])(site|clinic|hospital|center|centre|plant|factory|school|lab|laboratory|farm|facility|institution|company|fleet|study|cohort)([_ .-]?(id|name|no|code))?#?$/i,
  recording:
    /(^|[_ .-])(run|trial|take|visit|session|recording|sequence|episode|sample|segment|test|repetition|rep|attempt|cycle)([_ .-]?(id|name|no|number))?#?$/i,
  /** What several rows are samples of. */
  lot: /(^|[_ .-])(lot|batch|charge|proband|specimen)([_ .-]?(id|name|no|nr|number|code))?\.?#?$/i,
  weekday: /^(weekday|dow|day_of_week)$/i,
} as const;

/** Fewer cannot be divided into training, validation and test. */
export const MIN_SUBJECTS = 5;

/** Names of facts about a person, which are known before a recording. */
export const ATTRIBUTE =
  /(^|[_ .-])(sex|gender|age|weight|height|bmi|ethnicity|race|birth|born|smok(er|ing|es)|marital|married|education|income|insurance|treatment|arm|blood_type)([_ .-]|$)/i;

export function isTarget(name: string): boolean {
  return /^(label|labels|class|classes|target|y|outcome|category|species|result|activity|diagnosis|topic|gesture|intent|emotion|sentiment|condition|status|occupancy|survived|churn|churned|fraud|spam|quality|grade|rating|stars|approved|tags?|upos|xpos)$|label$/i.test(
    name,
  );
}

export function isPartOfDate(name: string): boolean {
  return [USUAL.time, USUAL.month, USUAL.quarter, USUAL.day, USUAL.weekday].some(usual => usual.test(name));
}
