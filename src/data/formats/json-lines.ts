/** JSON Lines: one JSON object per line, UTF-8; empty lines are skipped. */
import type { Diagnostic } from '../../util/errors.js';
import { LinePieces } from './utf8.js';

/** A position in the file, with its source line. */
export type LinePlace = Required<Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source'>>;

export type JsonRecord = Readonly<Record<string, unknown>>;

/** The line of a record; valid only during the call that receives it. */
export interface RecordLine {
  /** Line number, from 1. */
  readonly number: number;
  /** Its byte range in the file, `to` exclusive. */
  readonly from: number;
  readonly to: number;
  /** Position of the field `name`, or of the whole line if there is no such field. */
  place(name?: string): LinePlace;
}

export interface JsonlHandlers {
  record(record: JsonRecord, line: RecordLine): void;
  /** Called for a line that is not a JSON object, not UTF-8 or too long. */
  broken(problem: Diagnostic): void;
}

/** Returns the reader of a file in chunks. Errors of the handlers propagate. */
export function jsonLines(file: string, handlers: JsonlHandlers): LinePieces {
  return new LinePieces(file, true, {
    broken: problem => handlers.broken(problem),
    line({ bytes, from, number }) {
      const source = bytes.toString('utf8');
      if (!/\S/.test(source)) return;
      const place = (name?: string) => placeInLine(source, { file, line: number }, name);
      const record = parseRecord(source);
      if (typeof record !== 'string')
        handlers.record(record, { number, from, to: from + bytes.length, place });
      else {
        const expected = 'one JSON object per line';
        handlers.broken({ code: 'data/jsonl-line', message: record, ...place(), expected });
      }
    },
  });
}

/** Returns the record, or a message if it is invalid. */
function parseRecord(text: string): JsonRecord | string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonRecord;
    return 'the line is not a JSON object';
  } catch (error) {
    // drop V8's quote of the text, which the source line shows
    const reason = (error as SyntaxError).message.replace(/, (?:\.\.\.)?".*/s, '').replace(/ \(line.*/, '');
    return `the line is not valid JSON: ${reason}`;
  }
}

function placeInLine(
  source: string,
  where: Pick<LinePlace, 'file' | 'line'>,
  name: string | undefined,
): LinePlace {
  const key = name === undefined ? '' : JSON.stringify(name);
  const at = key === '' ? -1 : source.indexOf(key);
  return at < 0
    ? { ...where, column: 1, length: Math.max(1, source.length), source }
    : { ...where, column: at + 1, length: key.length, source };
}
