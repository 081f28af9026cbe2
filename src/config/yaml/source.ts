/** Named texts and the places in them that diagnostics point to. Does not know YAML. */
import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
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

  /** 1-based line and column of an offset, and the line's text without its end. */
  locate(offset: number): { line: number; column: number; source: string } {
    const line = this.lineAt(offset);
    const start = this.lineStarts[line - 1];
    const next = this.lineStarts[line] ?? this.text.length + 1;
    const end = this.text[next - 2] === '\r' ? next - 2 : next - 1;
    return { line, column: offset - start + 1, source: this.text.slice(start, end) };
  }

  /** 1-based. */
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

/**
 * The position fields of a diagnostic. A place that spans lines is underlined to the end of its
 * first line.
 */
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
 * @param file as the user named it, for messages
 * @param path absolute
 * @param folder directory that paths in the file are relative to; absolute
 * @param asked where the file is named, unless on the command line
 * @throws UserError (exit 2) if it is missing, not readable, no regular file, too large or not text
 */
export function readSource(file: string, path: string, folder: string, asked?: Place): SourceText {
  const bytes = readBytes(file, path, asked);
  const utf16 = describeUtf16(bytes);
  if (utf16 !== undefined) {
    throw usageError({
      code: 'config/encoding',
      message: `the file is encoded as ${utf16}`,
      file,
      line: 1,
      column: 1,
      expected: 'UTF-8',
    });
  }
  const source = decode(file, bytes, folder);
  refuseControlCharacters(source);
  return source;
}

function readBytes(file: string, path: string, asked: Place | undefined): Buffer {
  // a diagnostic that points to the file already has its name
  const where = asked === undefined ? { file } : positionOf(asked);
  const what = asked === undefined ? 'the file' : file;
  const problem = (code: string, message: string, expected?: string, suggestion?: string) =>
    usageError({
      code,
      message,
      ...where,
      ...(expected !== undefined && { expected }),
      ...(suggestion !== undefined && { suggestion }),
    });
  const failure = (error: unknown): unknown => {
    const code = codeOf(error);
    if (code === undefined) return error;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      return problem('config/missing-file', `${what} does not exist`, undefined, nearestFile(file));
    if (code === 'EACCES' || code === 'EPERM')
      return problem('config/unreadable', `no permission to read ${what}`);
    return problem('config/unreadable', `${what} cannot be read (${code})`);
  };
  if (STREAM.test(path)) {
    const message = `${asked === undefined ? 'this' : file} is a stream, but a config must be a file, since its paths are relative to its directory`;
    throw problem('config/not-a-file', message, 'a YAML file');
  }
  let handle: number;
  try {
    // checked before opening, which would block on a pipe without a writer
    const kind = statSync(path);
    if (kind.isDirectory())
      throw problem(
        'config/not-a-file',
        `${asked === undefined ? 'this' : file} is a directory`,
        'a YAML file',
      );
    if (!kind.isFile())
      throw problem(
        'config/not-a-file',
        `${asked === undefined ? 'this' : file} is not a regular file`,
        'a YAML file',
      );
    handle = openSync(path, 'r');
  } catch (error) {
    throw failure(error);
  }
  try {
    if (fstatSync(handle).size > MAX_BYTES) {
      throw problem(
        'config/too-large',
        `${what} is too large for a config`,
        `at most ${MAX_BYTES / 1024} KiB`,
      );
    }
    return readFileSync(handle);
  } catch (error) {
    throw failure(error);
  } finally {
    closeSync(handle);
  }
}

function describeUtf16(bytes: Buffer): string | undefined {
  if (bytes.length < 2) return undefined;
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'UTF-16';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'UTF-16';
  // Without a byte order mark, exactly one of the first two bytes is zero, since the first
  // character of a config is ASCII.
  if ((bytes[0] === 0) !== (bytes[1] === 0)) return 'UTF-16';
  return undefined;
}

function decode(file: string, bytes: Buffer, folder: string): SourceText {
  const source = new SourceText(file, new TextDecoder('utf-8').decode(bytes), folder);
  const at = findReplacement(source.text, bytes);
  if (at === undefined) return source;
  throw usageError({
    code: 'config/encoding',
    message: 'not valid UTF-8',
    ...positionOf(source.place(at)),
    expected: 'UTF-8',
  });
}

/** Offset of the first replacement character that the decoder inserted, if any. */
function findReplacement(text: string, bytes: Buffer): number | undefined {
  let offset = bytes.subarray(0, 3).equals(Buffer.from('\uFEFF')) ? 3 : 0;
  let before = 0;
  for (let at = text.indexOf('\uFFFD'); at >= 0; at = text.indexOf('\uFFFD', at + 1)) {
    offset += Buffer.byteLength(text.slice(before, at));
    before = at;
    if (!bytes.subarray(offset, offset + 3).equals(Buffer.from('\uFFFD'))) return at;
  }
  return undefined;
}

function refuseControlCharacters(source: SourceText): void {
  const at = source.text.search(/(?![\t\n\r])\p{Cc}|\uFEFF/u);
  if (at < 0) return;
  const code = source.text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0');
  throw usageError({
    code: 'config/control-character',
    message: `control character U+${code} is not allowed`,
    ...positionOf(source.place(at)),
  });
}
