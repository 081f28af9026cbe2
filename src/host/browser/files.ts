/**
 * Files in the memory of a page, with the functions of `node:fs` that cellrun uses. Each change is
 * told to a listener in order, so that a storage that survives the page can follow.
 */
import { Buffer } from 'buffer';
import { dirname, normalize } from 'pathe';

/** A change of the files; replayed in order, changes lead to the same files. */
export type FileChange =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'cut'; readonly path: string; readonly size: number }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  | { readonly kind: 'remove'; readonly path: string };

interface Entry {
  readonly ino: number;
  /** The content, of a file only; longer than the file, so that appending is fast. */
  bytes: Uint8Array | undefined;
  size: number;
  modified: number;
}

interface Opened {
  readonly entry: Entry;
  readonly path: string;
  readonly appends: boolean;
}

export class Stats {
  readonly dev = 0;
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
  private readonly isFolder: boolean;

  constructor({ ino, bytes, size, modified }: Entry) {
    this.ino = ino;
    this.size = size;
    this.mtimeMs = modified;
    this.isFolder = bytes === undefined;
  }

  isFile = () => !this.isFolder;
  isDirectory = () => this.isFolder;
  isSymbolicLink = () => false;
  isFIFO = () => false;
}

export interface Dirent {
  readonly name: string;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

const entries = new Map<string, Entry>();
const opened = new Map<number, Opened>();
let numbers = 3;
let listener: (change: FileChange) => void = () => {};

/** Where changes are told. */
export function onFileChange(listen: (change: FileChange) => void): void {
  listener = listen;
}

const MESSAGES = {
  ENOENT: 'no such file or directory',
  EEXIST: 'file already exists',
  EISDIR: 'illegal operation on a directory',
  ENOTDIR: 'not a directory',
} as const;

function failure(code: keyof typeof MESSAGES, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${MESSAGES[code]}, ${syscall} '${path}'`), {
    code,
    syscall,
    path,
  });
}

const keyOf = (path: string) => normalize(path).replace(/(?<=.)\/$/, '');

function newEntry(bytes: Uint8Array | undefined): Entry {
  return { ino: numbers++, bytes, size: bytes?.length ?? 0, modified: Date.now() };
}

entries.set('/', newEntry(undefined));

function entryAt(path: string, syscall: string): Entry {
  const entry = entries.get(keyOf(path));
  if (!entry) throw failure('ENOENT', syscall, path);
  return entry;
}

function fileAt(path: string, syscall: string): Entry {
  const entry = entryAt(path, syscall);
  if (!entry.bytes) throw failure('EISDIR', syscall, path);
  return entry;
}

export const constants = {
  O_RDONLY: 0,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NOFOLLOW: 0,
  O_NONBLOCK: 0,
} as const;

const FLAGS: Readonly<Record<string, number>> = {
  r: constants.O_RDONLY,
  'r+': constants.O_RDWR,
  w: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
  'w+': constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
  wx: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  a: constants.O_RDWR | constants.O_CREAT | constants.O_APPEND,
};

export function existsSync(path: string): boolean {
  return entries.has(keyOf(path));
}

export function statSync(path: string, options: { readonly throwIfNoEntry: false }): Stats | undefined;
export function statSync(path: string): Stats;
export function statSync(path: string, options?: { readonly throwIfNoEntry?: boolean }): Stats | undefined {
  if (options?.throwIfNoEntry === false && !existsSync(path)) return undefined;
  return new Stats(entryAt(path, 'stat'));
}

/** There are no links. */
export const lstatSync = statSync.bind(undefined) as typeof statSync;

export function fstatSync(file: number): Stats {
  return new Stats(openedAs(file).entry);
}

export function realpathSync(path: string): string {
  entryAt(path, 'realpath');
  return keyOf(path);
}

export function readlinkSync(path: string): string {
  throw failure('ENOENT', 'readlink', path);
}

export function mkdirSync(path: string, options?: { readonly recursive?: boolean }): void {
  const key = keyOf(path);
  if (options?.recursive && key !== '/' && !entries.has(dirname(key))) mkdirSync(dirname(key), options);
  if (entries.has(key)) {
    if (options?.recursive) return;
    throw failure('EEXIST', 'mkdir', path);
  }
  entryAt(dirname(key), 'mkdir');
  entries.set(key, newEntry(undefined));
  listener({ kind: 'folder', path: key });
}

function namesIn(folder: string): string[] {
  const start = folder === '/' ? '/' : `${folder}/`;
  return [...entries.keys()].flatMap(key => {
    const name = key.startsWith(start) ? key.slice(start.length) : '';
    return name === '' || name.includes('/') ? [] : [name];
  });
}

export function readdirSync(path: string): string[];
export function readdirSync(path: string, options: { readonly withFileTypes: true }): Dirent[];
export function readdirSync(
  path: string,
  options?: { readonly withFileTypes: true },
): readonly string[] | readonly Dirent[] {
  const key = keyOf(path);
  if (entryAt(path, 'scandir').bytes) throw failure('ENOTDIR', 'scandir', path);
  const names = namesIn(key);
  if (!options) return names;
  return names.map(name => {
    const { isFile, isDirectory, isSymbolicLink } = statSync(`${key}/${name}`);
    return { name, isFile, isDirectory, isSymbolicLink };
  });
}

export function openSync(path: string, flags: string | number, _mode?: number): number {
  const key = keyOf(path);
  const bits = typeof flags === 'number' ? flags : FLAGS[flags];
  let entry = entries.get(key);
  if (entry && bits & constants.O_EXCL) throw failure('EEXIST', 'open', path);
  if (!entry) {
    if (!(bits & constants.O_CREAT)) throw failure('ENOENT', 'open', path);
    entryAt(dirname(key), 'open');
    entry = newEntry(new Uint8Array(0));
    entries.set(key, entry);
    listener({ kind: 'write', path: key, at: 0, bytes: new Uint8Array(0) });
  }
  const file = numbers++;
  opened.set(file, { entry, path: key, appends: (bits & constants.O_APPEND) !== 0 });
  if (bits & constants.O_TRUNC) ftruncateSync(file);
  return file;
}

function openedAs(file: number): Opened {
  const found = opened.get(file);
  if (!found)
    throw Object.assign(new Error('EBADF: bad file descriptor'), { code: 'EBADF', syscall: 'fstat' });
  return found;
}

export function closeSync(file: number): void {
  openedAs(file);
  opened.delete(file);
  locked.delete(file);
  positions.delete(file);
}

/** Open files that this page has locked; no other page has them. */
const locked = new Set<number>();

/** Whether the open file could be locked, or whether it is not locked, if the lock is shared. */
export function tryLock(
  file: number,
  _offset: number,
  _length: number,
  { shared = false }: { readonly shared?: boolean } = {},
): boolean {
  if (!shared) locked.add(file);
  const { entry } = openedAs(file);
  return !shared || ![...locked].some(one => opened.get(one)?.entry === entry);
}

/** Told changes are in order, so none can overtake another. */
export function fsyncSync(_file: number): void {}

export function ftruncateSync(file: number, size = 0): void {
  const { entry, path } = openedAs(file);
  entry.bytes?.fill(0, size, entry.size);
  entry.size = size;
  entry.modified = Date.now();
  tell(entry, path, { kind: 'cut', path, size });
}

/** A file that was removed or replaced while it was open is nowhere. */
function tell(entry: Entry, path: string, change: FileChange): void {
  if (entries.get(path) === entry) listener(change);
}

/** Of any array of numbers; as no subclass, which the library of digests does not take. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

export function writeSync(file: number, bytes: ArrayBufferView, offset = 0): number {
  const { entry, path, appends } = openedAs(file);
  const given = bytesOf(bytes).subarray(offset);
  // all files are written from start to end
  const at = appends ? entry.size : (positions.get(file) ?? 0);
  put(entry, at, given);
  positions.set(file, at + given.length);
  tell(entry, path, { kind: 'write', path, at, bytes: new Uint8Array(given) });
  return given.length;
}

const positions = new Map<number, number>();

function put(entry: Entry, at: number, given: Uint8Array): void {
  const old = entry.bytes as Uint8Array;
  const end = at + given.length;
  if (end > old.length) {
    const bytes = new Uint8Array(Math.max(end, 2 * old.length));
    bytes.set(old.subarray(0, entry.size));
    entry.bytes = bytes;
  }
  entry.bytes?.set(given, at);
  entry.size = Math.max(entry.size, end);
  entry.modified = Date.now();
}

export function readSync(
  file: number,
  target: ArrayBufferView,
  offset: number,
  length: number,
  position: number,
): number {
  const { entry } = openedAs(file);
  const found = (entry.bytes as Uint8Array).subarray(position, Math.min(entry.size, position + length));
  bytesOf(target).set(found, offset);
  return found.length;
}

export function readFileSync(path: string): Buffer;
export function readFileSync(path: string, encoding: 'utf8'): string;
export function readFileSync(path: string, encoding?: 'utf8'): string | Buffer {
  const { bytes, size } = fileAt(path, 'open');
  const content = Buffer.from((bytes as Uint8Array).slice(0, size).buffer);
  return encoding ? content.toString(encoding) : content;
}

export function writeFileSync(path: string, content: Uint8Array | string): void {
  const file = openSync(path, 'w');
  writeSync(file, typeof content === 'string' ? new TextEncoder().encode(content) : content);
  closeSync(file);
}

export function renameSync(path: string, to: string): void {
  const [from, target] = [keyOf(path), keyOf(to)];
  const entry = entryAt(path, 'rename');
  entryAt(dirname(target), 'rename');
  entries.delete(from);
  entries.set(target, entry);
  for (const key of [...entries.keys()].filter(one => one.startsWith(`${from}/`))) {
    const inside = entries.get(key) as Entry;
    entries.delete(key);
    entries.set(target + key.slice(from.length), inside);
  }
  listener({ kind: 'rename', path: from, to: target });
}

export function rmSync(
  path: string,
  options?: { readonly force?: boolean; readonly recursive?: boolean },
): void {
  const key = keyOf(path);
  const entry = entries.get(key);
  if (!entry) {
    if (options?.force) return;
    throw failure('ENOENT', 'rm', path);
  }
  if (!entry.bytes && !options?.recursive) throw failure('EISDIR', 'rm', path);
  for (const one of [...entries.keys()]) if (one === key || one.startsWith(`${key}/`)) entries.delete(one);
  listener({ kind: 'remove', path: key });
}

/** The files below `folder` by their path relative to it. */
export function filesBelow(folder: string): ReadonlyMap<string, Uint8Array> {
  const start = `${keyOf(folder)}/`;
  const found = [...entries].flatMap(([key, { bytes, size }]) =>
    bytes && key.startsWith(start) ? [[key.slice(start.length), bytes.subarray(0, size)] as const] : [],
  );
  return new Map(found);
}

/** The files of packages that the page has. */
export const MODULES = '/cellrun/node_modules/';
/** The address of the same files, to import their modules. */
let packages = '';

export function findPackagesAt(address: string): void {
  packages = address;
}

export function addressOf(path: string): URL {
  return new URL(path.startsWith(MODULES) ? packages + path.slice(MODULES.length) : `file://${path}`);
}

/** Puts a file where nothing is told of: what the page was loaded with. */
export function addFile(path: string, content: Uint8Array): void {
  const key = keyOf(path);
  for (let folder = dirname(key); !entries.has(folder); folder = dirname(folder))
    entries.set(folder, newEntry(undefined));
  // slices of the library's buffers share their memory
  entries.set(key, newEntry(new Uint8Array(content.buffer, content.byteOffset, content.length)));
}

export const promises = {
  stat: async (path: string) => statSync(path),
  readFile: async (path: string) => readFileSync(path),
  realpath: async (path: string) => realpathSync(path),
  readdir: async (path: string, options: { readonly withFileTypes: true }) => readdirSync(path, options),
  open: async (path: string) => {
    const file = openSync(path, 'r');
    return {
      read: async (buffer: Buffer, offset: number, length: number, position: number) => ({
        buffer,
        bytesRead: readSync(file, buffer, offset, length, position),
      }),
      close: async () => closeSync(file),
    };
  },
};
