/** JSON Lines: one JSON object a line, UTF-8; empty lines are passed over. */
import { type Diagnostic, damagedError } from '../../errors.js';
import type { Problems } from '../problems.js';
import { checkUtf8, markLength } from './utf8.js';

/** Where something stands in the file, with its source line. */
export type LinePlace = Required<Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source'>>;

export type JsonRecord = Readonly<Record<string, unknown>>;

/** Called for each record; `start` is for {@link placeInLines}. */
export type OnRecord = (record: JsonRecord, start: number) => void;

const LINE_FEED = 0x0a;

/**
 * Reads all records. Lines that hold no JSON object are added to `problems`; reading stops once
 * those are full.
 * @throws UserError exit 5 if the file is not UTF-8; whatever `onRecord` throws
 */
export function scanJsonl(bytes: Buffer, file: string, onRecord: OnRecord, problems: Problems): void {
  checkUtf8(bytes, file);
  for (let start = markLength(bytes); start < bytes.length; ) {
    const end = lineEnd(bytes, start);
    const text = bytes.toString('utf8', start, end);
    if (/\S/.test(text)) {
      const record = parseRecord(text);
      if (typeof record === 'string') {
        problems.add({
          code: 'data/jsonl-line',
          message: record,
          ...placeInLines(bytes, file, start),
          expected: 'one JSON object a line',
        });
      } else onRecord(record, start);
      if (problems.full) problems.throwIfAny();
    }
    start = end + 1;
  }
}

/** @throws UserError exit 5 for a file without records */
export function checkHasRecords(count: number, file: string): void {
  if (count > 0) return;
  throw damagedError({
    code: 'data/jsonl-empty',
    message: 'the file has no records',
    file,
    expected: 'one JSON object a line',
  });
}

/** The record, or what is wrong with it. */
function parseRecord(text: string): JsonRecord | string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonRecord;
    return 'the line is not a JSON object';
  } catch (error) {
    // V8 quotes the text itself, which the source line shows
    const reason = (error as SyntaxError).message.replace(/, (?:\.\.\.)?".*/s, '').replace(/ \(line.*/, '');
    return `the line is not valid JSON: ${reason}`;
  }
}

/**
 * The place of the line that begins at byte `start`: of the value of its field `name`, or of the
 * whole line if it has none.
 */
export function placeInLines(bytes: Buffer, file: string, start: number, name?: string): LinePlace {
  const source = bytes.toString('utf8', start, lineEnd(bytes, start)).replace(/\r$/, '');
  let line = 1;
  for (let at = bytes.indexOf(LINE_FEED); at >= 0 && at < start; at = bytes.indexOf(LINE_FEED, at + 1))
    line++;
  const key = name === undefined ? '' : JSON.stringify(name);
  const at = key === '' ? -1 : source.indexOf(key);
  return at < 0
    ? { file, line, column: 1, length: Math.max(1, source.length), source }
    : { file, line, column: at + 1, length: key.length, source };
}

function lineEnd(bytes: Buffer, start: number): number {
  const end = bytes.indexOf(LINE_FEED, start);
  return end < 0 ? bytes.length : end;
}
