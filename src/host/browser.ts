/**
 * A page as a host: files in memory (`browser/files.ts`), digests and compression by libraries, no
 * other programs. The build for browsers puts this in the place of `node.ts`.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { Buffer } from 'buffer';
import { deflateSync, type FlateError, FlateErrorCode, Gunzip, inflateSync } from 'fflate';
import * as gpuJs from 'gpu.js';
import { version as gpuJsVersion } from 'gpu.js/package.json';
import picomatch from 'picomatch';
import { pino } from 'pino';
import { version } from '../../package.json';
import * as memory from './browser/files.js';
import { tableCrc32 } from './checksums.js';
import type { Logger, LoggerOptions } from './node.js';

export { basename, dirname, isAbsolute, join, relative, resolve } from 'pathe';
export const sep = '/';
export const fs = memory;
export const files = memory.promises;

// the root of the package is where this file is
memory.addFile('/cellrun/package.json', new TextEncoder().encode(JSON.stringify({ version })));

class Digest {
  constructor(private readonly hash = sha256.create()) {}

  update(data: Uint8Array | string): this {
    this.hash.update(typeof data === 'string' ? new TextEncoder().encode(data) : memory.bytesOf(data));
    return this;
  }

  copy(): Digest {
    return new Digest(this.hash.clone());
  }

  digest(): Buffer;
  digest(encoding: 'hex' | 'base64'): string;
  digest(encoding?: 'hex' | 'base64'): Buffer | string {
    const bytes = Buffer.from(this.hash.digest());
    return encoding ? bytes.toString(encoding) : bytes;
  }
}

export const createHash = (_: 'sha256') => new Digest();
export const randomInt = (below: number) => Math.floor(Math.random() * below);

export const bufferLimits = { MAX_STRING_LENGTH: 2 ** 29 - 24 };

export function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

type Limit = { readonly maxOutputLength: number };

/** Bytes of a gzip file that are expanded before their size is looked at. */
const GZIP_BYTES = 2 ** 16;

/** Checks what the library does not: the size and the checksums. */
export function gunzipSync(bytes: Uint8Array, { maxOutputLength = 2 ** 30 }: Partial<Limit> = {}): Buffer {
  const content: Uint8Array[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let [left, checksum] = [maxOutputLength, 0];
  const endMember = (end: number): void => {
    if (end < 8 || view.getUint32(end - 8, true) !== checksum) throw new Error('incorrect data check');
    checksum = 0;
  };
  const stream = new Gunzip(part => {
    content.push(part);
    checksum = tableCrc32(part, checksum);
    left -= part.length;
  });
  stream.onmember = endMember;
  try {
    for (let at = 0; at < bytes.length && left >= 0; at += GZIP_BYTES)
      stream.push(bytes.subarray(at, at + GZIP_BYTES), at + GZIP_BYTES >= bytes.length);
    if (left >= 0) endMember(bytes.length);
  } catch (error) {
    const code = (error as FlateError).code === FlateErrorCode.UnexpectedEOF ? 'Z_BUF_ERROR' : 'Z_DATA_ERROR';
    throw Object.assign(error as Error, { code });
  }
  if (left < 0) throw new RangeError('the content is too long');
  return Buffer.concat(content);
}

/** Longer content ends at the limit. */
export function inflateRawSync(bytes: Uint8Array, { maxOutputLength }: Limit): Buffer {
  const { buffer, byteOffset, length } = inflateSync(bytes, { out: new Uint8Array(maxOutputLength) });
  return Buffer.from(buffer, byteOffset, length);
}

export const deflateRawSync = (bytes: Uint8Array) => Buffer.from(deflateSync(bytes).buffer);
export const brotliDecompressSync = undefined;
export const zstdDecompressSync = undefined;
export { tableCrc32 as crc32 };

export async function readChunks(path: string): Promise<AsyncIterable<Buffer>> {
  const content = memory.readFileSync(path);
  return (async function* () {
    yield content;
  })();
}

export async function* gunzipChunks(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  yield gunzipSync(Buffer.concat(parts));
}

export const isDynamicPattern = (path: string) => /[*?[\]{}!()]/.test(path);

export async function glob(pattern: string, { cwd }: { readonly cwd: string }): Promise<string[]> {
  const matches = picomatch(pattern);
  return [...memory.filesBelow(cwd).keys()].filter(name => matches(name));
}

const turns: (() => void)[] = [];
const channel = new MessageChannel();
channel.port1.onmessage = () => turns.shift()?.();

/** The next turn: timers would wait for milliseconds. */
export function setImmediate(): Promise<void> {
  return new Promise(resolve => {
    turns.push(resolve);
    channel.port2.postMessage(undefined);
  });
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise(resolve => {
    setTimeout(resolve, milliseconds);
  });
}

export const runtime = {
  pid: 0,
  platform: 'browser',
  arch: 'wasm',
  version: navigator.userAgent,
  v8: '',
  program: '',
};

const GIB = 2 ** 30;

export const arch = () => runtime.arch;
export const platform = () => runtime.platform;
export const hostname = () => 'page';
export const cpus = (): readonly { readonly model: string }[] => [];
export const availableParallelism = () => navigator.hardwareConcurrency;
/** Browsers round it, and some do not tell it. */
export const totalmem = () => ((navigator as { deviceMemory?: number }).deviceMemory ?? 4) * GIB;
export const constrainedMemory = () => 0;
export const peakMemory = () => 0;
export const setEngineFlag = (_: string) => {};
/** Without its backends, which would be two thirds of it: the class of ours needs none. */
export const loadGpuLibrary = (): object => gpuJs;
export const gpuLibraryVersion = () => gpuJsVersion;

export function webGpu(): GPU {
  if ('gpu' in navigator) return navigator.gpu as GPU;
  throw new Error('this browser has no WebGPU');
}

export async function execute(): Promise<{ readonly stdout: string }> {
  throw new Error('a page starts no programs');
}

export function foreignFunctions(): never {
  throw new Error('a page runs no machine code');
}

export const fileLocks = () => ({ tryLock: memory.tryLock });

/** As in Node, by the build of pino for browsers, which passes on objects. */
export function openLogger(
  write: (line: string) => void,
  { level = 'info', clock = () => new Date() }: LoggerOptions = {},
): Logger {
  return pino({
    level,
    // a string in Node, which is part of the line; here any value
    timestamp: () => clock().toISOString(),
    browser: {
      asObject: true,
      formatters: { level: label => ({ level: label }) },
      // in the order of Node
      write: record => {
        const { level, time, ...fields } = record as Readonly<Record<'level' | 'time', string>>;
        write(`${JSON.stringify({ level, time, ...fields })}\n`);
      },
    },
  });
}

/** The package, with the files that the program reads from it. */
export const fileURLToPath = (_: string) => '/cellrun/dist/bundle/index.js';
export const pathToFileURL = memory.addressOf;
export const inspect = Object.assign((value: unknown) => String(value), { custom: Symbol('inspect') });

/** Finds the files of packages that the page has. */
export function createRequire(_: string) {
  const resolve = (name: string): string => {
    const path = memory.MODULES + name;
    if (memory.existsSync(path)) return path;
    throw Object.assign(new Error(`a page has no package ${name}`), { code: 'MODULE_NOT_FOUND' });
  };
  return Object.assign((name: string): never => resolve(`${name}: not to run`) as never, { resolve });
}

/** Of a thread of Node. */
export const parentPort = null;
export const workerData = undefined;

/**
 * A thread, as Node has them. It runs the script of the thread that starts it, and its name is the
 * file. Only a page that is isolated from other origins shares memory.
 */
export class Worker {
  private readonly thread: globalThis.Worker;

  constructor(file: string, { workerData }: { readonly workerData: unknown }) {
    this.thread = new globalThis.Worker(self.location.href, { name: file });
    this.thread.postMessage(workerData);
  }

  on(event: string, listener: (value: unknown) => void): void {
    if (event === 'message') this.thread.onmessage = ({ data }) => listener(data);
    if (event === 'error') this.thread.onerror = ({ message }) => listener(new Error(message));
  }

  postMessage(message: unknown, moved: Transferable[]): void {
    this.thread.postMessage(message, moved);
  }

  async terminate(): Promise<void> {
    this.thread.terminate();
  }

  ref(): void {}

  unref(): void {}
}
