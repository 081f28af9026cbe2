/** Parses lines of a log, which may be damaged or edited. */

/**
 * An event of a log. Other fields are scalars but not checked; other versions may have written
 * them.
 */
export interface LogRecord {
  readonly event: string;
  readonly [field: string]: unknown;
}

/**
 * Parses a line, without its line end. Returns a message if it is not an event. Events are flat:
 * converting a nested field to text would overflow the stack if it is nested deeply.
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
