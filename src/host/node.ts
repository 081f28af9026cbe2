/** Node as a host: its own functions, by the names that cellrun uses. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as files from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { promisify } from 'node:util';
import v8 from 'node:v8';
import zlib from 'node:zlib';
import * as globs from 'tinyglobby';
import { tableCrc32 } from './checksums.js';

export { constants as bufferLimits, isUtf8 } from 'node:buffer';
export { createHash, randomInt } from 'node:crypto';
export { arch, availableParallelism, cpus, hostname, platform, totalmem } from 'node:os';
export { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
export { setImmediate, setTimeout as sleep } from 'node:timers/promises';
export { fileURLToPath, pathToFileURL } from 'node:url';
export { inspect } from 'node:util';
export { parentPort, Worker, workerData } from 'node:worker_threads';
export { deflateRawSync, gunzipSync, inflateRawSync } from 'node:zlib';
export { createRequire, files, fs };

interface GlobOptions {
  readonly cwd: string;
  readonly expandDirectories?: boolean;
}

/** The files that match a pattern, relative to `cwd`. */
export const glob = (pattern: string, options: GlobOptions): Promise<string[]> =>
  globs.glob(pattern, options);
export const isDynamicPattern = (path: string): boolean => globs.isDynamicPattern(path);

/** Runs a program; its output. */
export const execute = promisify(execFile);

type Inflate = (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer;

export const brotliDecompressSync: Inflate | undefined = zlib.brotliDecompressSync;
/** Since Node 22.15. */
export const zstdDecompressSync = (zlib as { zstdDecompressSync?: Inflate }).zstdDecompressSync;
/** That of Node, since 20.15, is ten times as fast. */
export const crc32 = (zlib as { crc32?: typeof tableCrc32 }).crc32 ?? tableCrc32;

/** Sets a flag of V8, for this process. */
export const setEngineFlag = v8.setFlagsFromString;

/** Bytes that this process may use; 0 or undefined without a limit. */
export const constrainedMemory = () => process.constrainedMemory();

/** The largest memory that this process has used, MiB. */
export const peakMemory = () => process.resourceUsage().maxRSS / 1024;

/** What the program runs in. */
export const runtime = {
  pid: process.pid,
  platform: process.platform,
  arch: process.arch,
  version: process.versions.node,
  v8: process.versions.v8,
  program: process.execPath,
};

interface LockBinding {
  tryLock(file: number, offset: number, length: number, options?: { readonly shared: boolean }): boolean;
}

const require = createRequire(import.meta.url);

/** gpu.js is CommonJS without an export map; loading it takes 0.1 s. */
export const loadGpuLibrary = (): object => require('gpu.js');

/** The exports of a CommonJS module of the program, which a page contains. */
export const loadModule = (path: string): unknown => require(path);

export function gpuLibraryVersion(): string {
  return (require('gpu.js/package.json') as { version: string }).version;
}

type WebGpuModule = typeof import('webgpu');

// never released: webgpu 0.6 crashes if this object is collected before one of its devices. Unlike
// before 0.6, it does not keep the process alive.
let dawn: GPU | undefined;

/** WebGPU, with its constants as globals. Throws if the optional package does not load. */
export function webGpu(): GPU {
  if (dawn) return dawn;
  let loaded: WebGpuModule;
  try {
    loaded = require('webgpu') as WebGpuModule;
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    throw new Error(`the optional package 'webgpu' does not load (${reason})`);
  }
  Object.assign(globalThis, loaded.globals);
  // otherwise times of kernels are multiples of 0.1 ms
  dawn = loaded.create(['disable-dawn-features=timestamp_quantization']);
  return dawn;
}

/** What is used of koffi, which calls functions at addresses. */
interface ForeignFunctions {
  /** The functions of this process. */
  load(file: null): { func(definition: string): (...values: readonly unknown[]) => unknown };
  proto(definition: string): object;
  decode(address: bigint, prototype: object): (...values: readonly number[]) => void;
  address(array: Uint8Array): bigint;
}

/** Throws if the optional package does not load. */
export function foreignFunctions(): ForeignFunctions {
  try {
    return require('koffi');
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    throw new Error(`the optional package 'koffi' does not load (${reason}): npm install koffi`);
  }
}

/** Locks of open files; throws where the system has none. */
export function fileLocks(): LockBinding {
  return require('fs-native-extensions');
}

/** The levels of pino, from the lowest. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

type Level = (typeof LOG_LEVELS)[number];

/** What is used of a logger of pino: writes a record with these fields at the named level. */
export type Logger = Readonly<Record<Level, (fields: object, message?: string) => void>>;

export interface LoggerOptions {
  /** Records below it are not written. */
  readonly level?: Level | 'silent' | undefined;
  readonly clock?: () => Date;
}

/**
 * Opens a logger of pino. `write` has received the line of a record, with its line end, when the
 * call that logs it returns, and what it throws reaches the caller.
 */
export function openLogger(
  write: (line: string) => void,
  { level = 'info', clock = () => new Date() }: LoggerOptions = {},
): Logger {
  // on first use, since the verbs that only read log nothing
  const { pino } = require('pino') as typeof import('pino');
  return pino(
    {
      level,
      // without process id and host, which would make equal runs differ
      base: null,
      timestamp: () => `,"time":"${clock().toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
    },
    { write },
  );
}

/** The chunks of a file, or of a pipe; opened when this returns. */
export async function readChunks(path: string): Promise<AsyncIterable<Buffer>> {
  const info = await files.stat(path);
  if (info.isFIFO() && process.platform === 'linux') return openPipe(path);
  const stream = fs.createReadStream(path);
  await once(stream, 'open');
  return stream;
}

/**
 * Opens a named pipe without waiting for its writer. A thread that waits, for a writer or for
 * bytes, would keep the process from ending: then not even Ctrl-C stops it. Other systems report
 * the end of a pipe that nobody has opened for writing yet.
 */
function openPipe(path: string): Socket {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

/** Decompresses gzip. Errors of the source are passed on. */
export function gunzipChunks(chunks: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const gunzip = zlib.createGunzip();
  // the pipeline destroys gunzip with the error of the source
  pipeline(chunks, gunzip, () => {});
  return gunzip;
}
