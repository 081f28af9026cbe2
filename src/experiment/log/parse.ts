/** One line of a log, as whoever wrote or edited it left it. */

/** What every reader of a log relies on; other fields may have any scalar value. */
export interface LogRecord {
  readonly event: string;
  readonly [field: string]: unknown;
}

/**
 * The event of a line without its end, or why it is none. Events are flat: readers turn fields into
 * numbers and texts, which fails on hostile objects such as lists nested deeper than the stack.
 */
export function parseEvent(text: string): LogRecord | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return text.trim() === '' ? 'the line is empty' : 'this is not JSON';
  }
  if (!isObject(value) || Array.isArray(value)) return 'this is not a JSON object';
  if (!('event' in value) || typeof value.event !== 'string') return 'this has no `event`';
  const nested = Object.entries(value).find(([, field]) => isObject(field));
  if (nested !== undefined) return `\`${nested[0].slice(0, 60)}\` is a list or an object`;
  return value as LogRecord;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
