/**
 * node:fs with faults, for every module of this process. Replaces the functions that read and write
 * files; Node passes that on to all importers (`syncBuiltinESMExports`). Operations below one
 * folder are numbered. One of them, or all from one on, can fail, do half of their work, or end the
 * process. Files outside the folder are not affected, and the program needs no changes.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { resolve, sep } from 'node:path';
import { DurableState } from './durable-state.js';

/** The error of an operation, or the end of the process. */
export type Fault =
  | 'EIO'
  | 'ENOSPC'
  | 'EACCES'
  | 'short write'
  /** A write that writes nothing and returns 0. */
  | 'empty write'
  /** A write that writes half, and later writes fail for lack of space. */
  | 'full disk'
  /** The process ends before the operation. */
  | 'crash'
  /** The process ends in the middle of a write. */
  | 'torn write';

export interface FaultPlan {
  readonly fault: Fault;
  /** Number of the operation, from 0. */
  readonly at: number;
  /** True if all later operations fail too, like on a removed disk. */
  readonly lasting: boolean;
}

/** One call below the folder. */
export interface Operation {
  readonly call: string;
  readonly path: string;
}

export class Crash extends Error {
  override readonly name = 'Crash';
}

type Call = (...args: never[]) => unknown;

const CALLS = [
  'openSync',
  'writeSync',
  'fsyncSync',
  'closeSync',
  'renameSync',
  'rmSync',
  'unlinkSync',
  'mkdirSync',
  'linkSync',
  'ftruncateSync',
  'writeFileSync',
  'readFileSync',
  'readSync',
  'readdirSync',
  'statSync',
  'lstatSync',
  'fstatSync',
  'existsSync',
] as const;

const READING: ReadonlySet<string> = new Set([
  'readFile',
  'read',
  'readdir',
  'stat',
  'lstat',
  'fstat',
  'exists',
]);

const table = fs as unknown as Record<string, Call>;
const originals = Object.fromEntries(CALLS.map(name => [name, table[name]]));

let inUse: FaultyFiles | undefined;

// once for all cases: updating all importers takes longer than a case
for (const name of CALLS)
  table[name] = (...args) => (inUse === undefined ? originals[name](...args) : inUse.call(name, args));
syncBuiltinESMExports();

export class FaultyFiles {
  readonly operations: Operation[] = [];
  /** The state that survives a power failure. */
  readonly durable: DurableState;
  private crashed = false;
  /** Depth of nested calls, since Node's functions call each other. */
  private depth = 0;

  constructor(
    /** Absolute. */
    readonly folder: string,
    private readonly plan?: FaultPlan,
    /** Open descriptors and their paths, including those left by earlier faults. */
    private readonly opened = new Map<number, string>(),
  ) {
    this.durable = new DurableState(folder);
  }

  /** Continues with the same files and other faults. */
  next(plan?: FaultPlan): FaultyFiles {
    return new FaultyFiles(this.folder, plan, this.opened);
  }

  /** Closes files that were left open, like the end of a process. */
  close(): void {
    for (const file of this.opened.keys()) fs.closeSync(file);
    this.opened.clear();
  }

  /** Runs `action` with these faults. Restores the real functions when it ends. */
  during<T>(action: () => T): T {
    const before = inUse;
    inUse = this;
    try {
      return action();
    } finally {
      inUse = before;
    }
  }

  /** Calls the function `name` of node:fs with the planned faults. */
  call(name: string, args: never[]): unknown {
    const call = name.replace(/Sync$/, '');
    const path = this.pathOf(args[0]);
    const real = () => originals[name](...args);
    if (path === undefined || this.depth > 0) return real();
    if (this.crashed) throw new Crash(call);
    this.depth++;
    try {
      return this.perform({ call, path }, args, real);
    } finally {
      this.depth--;
    }
  }

  /** The path of a file below the folder; undefined for others. */
  private pathOf(argument: unknown): string | undefined {
    if (typeof argument === 'number') return this.opened.get(argument);
    if (typeof argument !== 'string') return undefined;
    const path = resolve(argument);
    return path === this.folder || path.startsWith(this.folder + sep) ? path : undefined;
  }

  private perform(operation: Operation, args: readonly unknown[], real: () => unknown): unknown {
    const number = this.operations.push(operation) - 1;
    const { call } = operation;
    const fault = this.faultAt(number);
    const isWrite = call === 'write';
    switch (fault) {
      case undefined:
        return this.done(operation, args, call === 'fsync' ? undefined : real());
      case 'crash':
        return this.crash(call);
      case 'torn write':
        if (isWrite) this.writeHalf(operation, args);
        return this.crash(call);
      case 'short write':
        return isWrite ? this.writeHalf(operation, args) : this.done(operation, args, real());
      case 'empty write':
        return isWrite ? 0 : this.done(operation, args, real());
      default:
        // Linux frees the descriptor even if close fails
        if (call === 'close') this.done(operation, args, real());
        if (call === 'exists') return false;
        throw systemError(fault, operation);
    }
  }

  private faultAt(number: number): Exclude<Fault, 'full disk'> | undefined {
    const { plan } = this;
    if (plan === undefined || number < plan.at) return undefined;
    if (plan.fault !== 'full disk') return number === plan.at || plan.lasting ? plan.fault : undefined;
    if (number === plan.at) return 'short write';
    return number === plan.at + 1 || plan.lasting ? 'ENOSPC' : undefined;
  }

  private crash(call: string): never {
    this.crashed = true;
    throw new Crash(call);
  }

  private writeHalf(operation: Operation, args: readonly unknown[]): number {
    const [file, bytes, from = 0] = args as [number, Uint8Array, number?];
    const half = Math.ceil((bytes.length - from) / 2);
    return this.done(operation, args, fs.writeSync(file, bytes, from, half)) as number;
  }

  /** Records the changes of a successful operation. */
  private done({ call, path }: Operation, args: readonly unknown[], result: unknown): unknown {
    if (call === 'open') this.opened.set(result as number, path);
    if (call === 'close') this.opened.delete(args[0] as number);
    if (!READING.has(call)) this.durable.note(call, path, args);
    return result;
  }
}

const NUMBERS = { EIO: -5, EACCES: -13, ENOSPC: -28 };

function systemError(code: 'EIO' | 'ENOSPC' | 'EACCES', { call, path }: Operation): Error {
  const error = new Error(`${code}: injected, ${call} '${path}'`);
  return Object.assign(error, { code, errno: NUMBERS[code], syscall: call, path });
}

/** True if calls of that name change the disk or are part of a change. */
export function changes({ call }: Operation): boolean {
  return !READING.has(call);
}
