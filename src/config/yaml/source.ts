/** Named texts and the places in them that diagnostics point to. */
import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { LineCounter } from 'yaml';
import { type Diagnostic, usageError } from '../../util/errors.js';
import { nearestFile } from '../../util/nearest.js';
import { codeOf } from '../../util/system-errors.js';

/** Larger files are not configs but mistakes, such as a data file. */
const MAX_BYTES = 65_536;

/** Standard input, or a pipe from a shell's `<(…)`. */
const STREAM = /^\/(dev\/(stdin|fd\/\d+)|proc\/[^/]+\/fd\/\d+)$/;

/** A range of a text: `start` inclusive, `end` exclusive, in UTF-16 code units. */
export interface Place {
  readonly text: SourceText;
  readonly start: number;
  readonly end: number;
}

/** A named text whose offsets can be converted to lines and columns. */
export class SourceText {
  private readonly lines = new LineCounter();

  constructor(
    /** The file as the user named it, or a pseudo file such as `--set`. */
    readonly file: string,
    readonly text: string,
    /** Directory that paths in this text are relative to; absolute. */
    readonly folder: string,
  ) {
    this.lines.addNewLine(0);
    for (const { index } of text.matchAll(/\n/g)) this.lines.addNewLine(index + 1);
  }

  place(start: number, end: number = start + 1): Place {
    return { text: this, start, end };
  }

  lineAt(offset: number): number {
    return this.lines.linePos(offset).line;
  }

  locate(offset: number): { line: number; column: number; source: string } {
    const { line, col: column } = this.lines.linePos(offset);
    const end = this.lines.lineStarts[line] ?? this.text.length;
    const source = this.text.slice(offset - column + 1, end).replace(/\r?\n$|\r$/, '');
    return { line, column, source };
  }
}

/** A place that spans lines is underlined to the end of its first line. */
export function positionOf(place: Place): Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source'> {
  const { line, column, source } = place.text.locate(place.start);
  const rest = Math.max(1, source.trimEnd().length - column + 1);
  const length = Math.max(1, Math.min(place.end - place.start, rest));
  return { file: place.text.file, line, column, length, source };
}

export function diagnosticAt(
  place: Place,
  code: string,
  message: string,
  more: Partial<Diagnostic> = {},
): Diagnostic {
  return { code, message, ...positionOf(place), ...more };
}

/**
 * Reads a config file as UTF-8 text and drops a byte order mark.
 * @param file as the user named it, for messages; `path` and `folder`, which paths in the file are
 *   relative to, are absolute
 * @param asked where the file is named, unless on the command line
 */
export function readSource(file: string, path: string, folder: string, asked?: Place): SourceText {
  const bytes = readBytes(file, path, asked);
  const source = new SourceText(file, new TextDecoder().decode(bytes), folder);
  const isText = isUtf8(bytes);
  const at = source.text.search(isText ? /(?![\t\n\r])\p{Cc}|\uFEFF/u : /\uFFFD/);
  if (at < 0) return source;
  const code = source.text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0');
  const place = source.place(at);
  throw usageError(
    isText
      ? diagnosticAt(place, 'config/control-character', `control character U+${code} is not allowed`)
      : diagnosticAt(place, 'config/encoding', 'not valid UTF-8', { expected: 'UTF-8' }),
  );
}

function readBytes(file: string, path: string, asked: Place | undefined): Buffer {
  const refusal = (code: string, message: string, more: Partial<Diagnostic> = {}) => {
    // a diagnostic that points to the file already has its name
    const [where, what] = asked ? [positionOf(asked), file] : [{ file }, 'the file'];
    return usageError({ code: `config/${code}`, message: `${what} ${message}`, ...where, ...more });
  };
  try {
    // checked before opening, which would block on a pipe without a writer
    const stats = statSync(path);
    if (!stats.isFile() || STREAM.test(path))
      throw refusal('not-a-file', 'is not a regular file', { expected: 'a YAML file' });
    const expected = `at most ${MAX_BYTES / 1024} KiB`;
    if (stats.size > MAX_BYTES) throw refusal('too-large', 'is too large for a config', { expected });
    return readFileSync(path);
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw refusal('unreadable', `cannot be read (${code})`);
    throw refusal('missing-file', 'does not exist', { suggestion: nearestFile(file) });
  }
}
