/** Named texts and the places in them that diagnostics point to. Does not know YAML. */
import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
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
  private readonly lineStarts: number[] = [0];

  constructor(
    /** The file as the user named it, or a pseudo file such as `--set`. */
    readonly file: string,
    readonly text: string,
    /** Directory that paths in this text are relative to; absolute. */
    readonly folder: string,
  ) {
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.lineStarts.push(at + 1);
  }

  place(start: number, end: number = start + 1): Place {
    return { text: this, start, end };
  }

  locate(offset: number): { line: number; column: number; source: string } {
    const line = this.lineAt(offset);
    const start = this.lineStarts[line - 1];
    const next = this.lineStarts[line] ?? this.text.length + 1;
    const end = this.text[next - 2] === '\r' ? next - 2 : next - 1;
    return { line, column: offset - start + 1, source: this.text.slice(start, end) };
  }

  lineAt(offset: number): number {
    let low = 0;
    let high = this.lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.lineStarts[middle] <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  }
}

/** A place that spans lines is underlined to the end of its first line. */
export function positionOf(place: Place): Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source'> {
  const { line, column, source } = place.text.locate(place.start);
  const rest = Math.max(1, source.trimEnd().length - column + 1);
  const length = Math.max(1, Math.min(place.end - place.start, rest));
  return { file: place.text.file, line, column, length, source };
}

/** `FILE:LINE:COL` of a place; the pseudo file `--set` has no lines. */
export function describePlace(place: Place): string {
  if (place.text.file === '--set') return '--set';
  const { line, column } = place.text.locate(place.start);
  return `${place.text.file}:${line}:${column}`;
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
  throw usageError({
    ...(isText
      ? { code: 'config/control-character', message: `control character U+${code} is not allowed` }
      : { code: 'config/encoding', message: 'not valid UTF-8', expected: 'UTF-8' }),
    ...positionOf(source.place(at)),
  });
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
    if (stats.size > MAX_BYTES)
      throw refusal('too-large', 'is too large for a config', {
        expected: `at most ${MAX_BYTES / 1024} KiB`,
      });
    return readFileSync(path);
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw refusal('unreadable', `cannot be read (${code})`);
    const suggestion = nearestFile(file);
    throw refusal('missing-file', 'does not exist', suggestion === undefined ? {} : { suggestion });
  }
}
