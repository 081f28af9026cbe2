/**
 * Data files: resolves a config's path to files (one file, the files of a folder, or the matches of
 * a pattern), names them for messages, and reads whole ones with their digests. Limits keep damaged
 * or hostile files from exhausting memory, far above realistic data.
 */

import {
  constrainedMemory,
  createHash,
  dirname,
  files,
  fs,
  glob,
  gunzipSync,
  isDynamicPattern,
  join,
  resolve,
  sep,
  setImmediate,
  totalmem,
} from '../../host/index.js';
import { type Diagnostic, damagedError, EXIT, UserError, usageError } from '../../util/errors.js';
import { nearestFile } from '../../util/nearest.js';
import { codeOf, MISSING_FILE, readingReason } from '../../util/system-errors.js';
import { ANY_NAME } from './facts.js';

/** Maximum size of a file, and of the content of a compressed file: 1 GiB. */
export const MAX_BYTES = 2 ** 30;

/**
 * Maximum size of a compressed file's content on this machine: half of the memory that this process
 * may use, at most {@link MAX_BYTES}.
 */
export function expansionLimit(): number {
  // 0 or undefined: no limit
  const constrained = constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.min(MAX_BYTES, Math.floor(Math.min(totalmem(), constrained) / 2));
}

/** Default of the `memory` key, in MiB: a quarter of the available memory. */
function defaultMemory(): number {
  const constrained = constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.floor(Math.min(totalmem(), constrained) / 4 / 2 ** 20);
}

/**
 * Maximum size of a CSV, JSON Lines or text file, which needs several times its size while it is
 * read: 256 MiB.
 */
export const MAX_TEXT_BYTES = 2 ** 28;

/** Maximum number of values in an array of a dataset: 2^28, one GiB as float32. */
export const MAX_ELEMENTS = 2 ** 28;

/** Class labels must be below this limit. A larger one indicates damaged data. */
export const MAX_CLASSES = 2 ** 20;

/** Symbols must be below this limit. */
export const MAX_SYMBOLS = 2 ** 20;

/**
 * Returns the files of `paths`, in the order of the paths. The files of a folder (without
 * subfolders and hidden files) and the matches of a pattern such as `data/*.txt` are sorted by
 * UTF-16 code units.
 * @param usual the names of data files: if a folder has any, its other files are left out
 * @param depth of data files in a folder: with 2, those of its subfolders, if these have any
 */
export async function inputFiles(
  paths: string | readonly string[],
  usual: RegExp = ANY_NAME,
  depth = 1,
): Promise<readonly string[]> {
  const lists = await Promise.all([paths].flat().map(path => filesOf(path, usual, depth)));
  return lists.flat();
}

async function filesOf(path: string, usual: RegExp, depth: number): Promise<readonly string[]> {
  const info = await files.stat(path).catch(() => undefined);
  if (info?.isDirectory()) {
    const below = depth > 1 ? await glob(`${'*/'.repeat(depth - 1)}*`, { cwd: path }) : [];
    const deep = below.filter(name => usual.test(name));
    const names = deep.length > 0 ? deep : await filesIn(path, usual);
    return some(
      path,
      'the directory has no files',
      names.sort().map(name => join(path, name)),
    );
  }
  // an existing path is not a pattern; the reader reports a missing file
  if (info !== undefined || !isDynamicPattern(path)) return [path];
  const { folder, pattern } = patternParts(path);
  const found = await glob(pattern, { cwd: folder, expandDirectories: false });
  return some(path, 'no file matches the pattern', found.map(name => join(folder, name)).sort());
}

/**
 * Splits a pattern at its first part that is one. A pattern that matches files of the working
 * directory may leave it (`../*.wav`), and then tinyglobby would not find these.
 */
function patternParts(path: string): { folder: string; pattern: string } {
  const parts = path.split('/');
  const first = parts.findIndex(part => /[!()*?[\\\]{}]/.test(part));
  const folder = parts.slice(0, first).join('/');
  return { folder: folder || (path.startsWith('/') ? '/' : '.'), pattern: parts.slice(first).join('/') };
}

/** The folder that the names of the files of `path` begin at. */
export function folderOf(path: string): string {
  if (isDynamicPattern(path) && !fs.existsSync(path)) return patternParts(path).folder;
  return fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path);
}

async function filesIn(path: string, usual: RegExp): Promise<string[]> {
  const entries = await files.readdir(path, { withFileTypes: true });
  const names = entries.flatMap(entry =>
    entry.isDirectory() || entry.name.startsWith('.') ? [] : [entry.name],
  );
  const data = names.filter(name => usual.test(name));
  return data.length > 0 ? data : names;
}

export async function distinctFiles(files: readonly string[]): Promise<readonly string[]> {
  const known = new Map<string, string>();
  for (const file of files) {
    const real = await realPath(file);
    const other = known.get(real);
    if (other !== undefined) {
      const message = `the file is read twice${other === file ? '' : `: it is also ${other}`}`;
      throw usageError('data/same-file', message, { file, expected: 'each file once' });
    }
    known.set(real, file);
  }
  return files;
}

/** The reader reports a file that does not exist. */
export function realPath(file: string): Promise<string> {
  return files.realpath(file).catch(() => resolve(file));
}

function some(path: string, message: string, files: readonly string[]): readonly string[] {
  if (files.length > 0) return files;
  throw usageError('data/no-files', message, { file: path });
}

/**
 * The names of the files: the last parts of their paths, as few as keep all of them apart, below
 * the folder that they have in common.
 */
export function shortNames(files: readonly string[]): ReadonlyMap<string, string> {
  const paths = files.map(file => resolve(file).split(sep));
  const longest = Math.max(...paths.map(({ length }) => length));
  const isCommon = (depth: number): boolean =>
    paths.every(path => depth < path.length - 1 && path[depth] === paths[0][depth]);
  let common = 0;
  while (paths.length > 1 && isCommon(common)) common++;
  for (let parts = 1; parts < longest; parts++) {
    const names = paths.map(path => path.slice(Math.max(common, path.length - parts)).join('/'));
    if (new Set(names).size === names.length) return new Map(files.map((file, i) => [file, names[i]]));
  }
  return new Map(files.map(file => [file, file]));
}

export interface SourceFile {
  /** The path as given. */
  readonly name: string;
  readonly bytes: Buffer;
  /** SHA-256 of `bytes`, lower-case hex. */
  readonly sha256: string;
}

/**
 * Files of at most this size are read without a thread of the pool, which takes ten times as
 * long for a recording of a word.
 */
const SMALL_BYTES = 2 ** 18;

async function readSource(path: string, maxBytes = MAX_BYTES): Promise<SourceFile> {
  try {
    const info = fs.statSync(path);
    if (!info.isFile()) {
      throw unreadable(
        path,
        info.isDirectory() ? 'this is a directory, not a file' : 'this is not a regular file',
      );
    }
    if (info.size > maxBytes) {
      throw usageError('data/too-large', 'the file is too large', {
        file: path,
        expected: `at most ${maxBytes} bytes`,
        got: `${info.size} bytes`,
      });
    }
    const isSmall = info.size <= SMALL_BYTES;
    // signals and requests wait for one file at most
    if (isSmall) await setImmediate();
    const bytes = isSmall ? fs.readFileSync(path) : await files.readFile(path);
    return { name: path, bytes, sha256: sha256(bytes) };
  } catch (error) {
    throw unreadableFile(path, error);
  }
}

/** Reads the file at `path`, decompressed if it is gzip. The digest is that of the file itself. */
export async function readContent(path: string, maxBytes = MAX_BYTES): Promise<SourceFile> {
  const source = await readSource(path, maxBytes);
  return { ...source, bytes: decompressed(source.bytes, path, maxBytes) };
}

/**
 * Converts an error of reading `path`, of the system or of a program's stream, to a `UserError`
 * (exit 2) with that cause; returns a `UserError` unchanged.
 */
export function unreadableFile(path: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  return unreadable(path, readingReason(error, path) ?? reasonOf(error), error);
}

/** Digest of the file at `path`; undefined if it is no regular file. */
export async function digestOf(path: string): Promise<string | undefined> {
  if (!(await files.stat(path).catch(() => undefined))?.isFile()) return undefined;
  const hash = createHash('sha256');
  for await (const chunk of fs.createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

/** SHA-256 over the concatenated parts, lower-case hex. */
export function sha256(...parts: readonly NodeJS.ArrayBufferView[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** Returns the content of a gzip file; any other file unchanged. */
export function decompressed(bytes: Buffer, file: string, most = MAX_BYTES): Buffer {
  if (!isGzip(bytes)) return bytes;
  const maxBytes = Math.min(most, expansionLimit());
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof RangeError) {
      throw damagedError('data/too-large', 'the gzip file expands to too much data', {
        file,
        expected: `at most ${maxBytes} bytes`,
        got: `more than that from ${bytes.length} bytes`,
      });
    }
    throw damagedGzip(file, error);
  }
}

export function isGzip(bytes: Buffer): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** The error (exit 5) of a gzip stream. */
export function damagedGzip(file: string, error: unknown): UserError {
  const reason = error instanceof Error ? error.message : String(error);
  const isCut = codeOf(error) === 'Z_BUF_ERROR';
  const message = isCut ? 'the gzip stream ends too early' : `the gzip stream is damaged (${reason})`;
  return damagedError('data/gzip', message, { file });
}

function reasonOf(error: unknown): string {
  return (error instanceof Error && error.message) || `the system reported ${codeOf(error) ?? String(error)}`;
}

function unreadable(path: string, reason: string, cause?: unknown): UserError {
  const isMissing = reason === MISSING_FILE;
  const diagnostic: Diagnostic = {
    code: 'data/unreadable',
    message: isMissing ? reason : `cannot read the file: ${reason}`,
    file: path,
    suggestion: isMissing ? nearestFile(path) : undefined,
  };
  return new UserError(EXIT.usage, [diagnostic], { cause });
}

/**
 * True if the files must be read from disk: their total exceeds the configured `memory` (in MiB),
 * or one exceeds `maxBytes`. False if any of them is gzip.
 */
export async function staysOnDisk(
  paths: readonly string[],
  { memory = defaultMemory() }: { readonly memory?: number },
  maxBytes: number,
): Promise<boolean> {
  const infos = await Promise.all(paths.map(path => files.stat(path).catch(() => undefined)));
  // the reader reports files that are missing or cannot be read
  const sizes = infos.flatMap(info => (info?.isFile() ? [info.size] : []));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= memory * 2 ** 20 && sizes.every(size => size <= maxBytes)) return false;
  for (const path of paths) if (await isCompressed(path)) return false;
  return true;
}

async function isCompressed(path: string): Promise<boolean> {
  const file = await files.open(path).catch(() => undefined);
  try {
    const start = await file?.read(Buffer.alloc(2), 0, 2, 0);
    return start !== undefined && isGzip(start.buffer.subarray(0, start.bytesRead));
  } catch {
    return false;
  } finally {
    await file?.close();
  }
}
