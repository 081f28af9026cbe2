/**
 * node:fs with faults, for every module of this process: the functions that files are written and
 * read with are exchanged, which Node passes on to all importers (`syncBuiltinESMExports`). What is
 * done below one folder is numbered, and one operation, or each from one on, can be made to fail,
 * to do half, or to be the last thing that the process does. Nothing outside that folder is
 * touched, and nothing of the program knows.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { resolve, sep } from 'node:path';
import { DurableState } from './durable-state.js';

/** What the system answers, or how the process ends. */
export type Fault =
  | 'EIO'
  | 'ENOSPC'
  | 'EACCES'
  /** A write that takes half of what it is given. */
  | 'short write'
  /** A write that takes nothing, and says so. */
  | 'empty write'
  /** A write that takes half, and no room for what comes next. */
  | 'full disk'
  /** The process ends before the operation. */
  | 'crash'
  /** The process ends in the middle of a write. */
  | 'torn write';

export interface FaultPlan {
  readonly fault: Fault;
  /** Number of the operation, from 0. */
  readonly at: number;
  /** Whether all later ones fail too, as on a disk that is gone. */
  readonly lasting: boolean;
}

/** One call below the folder. */
export interface Operation {
  /** Such as `rename`. */
  readonly call: string;
  readonly path: string;
}

/**
 * Thrown where the plan ends the process. Everything that is called afterwards throws it too, so
 * that no clean-up runs.
 */
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

/** Those that change nothing. */
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

// once for all cases: passing the exchange on to all importers takes longer than a case
for (const name of CALLS)
  table[name] = (...args) => (inUse === undefined ? originals[name](...args) : inUse.call(name, args));
syncBuiltinESMExports();

export class FaultyFiles {
  readonly operations: Operation[] = [];
  /** What a loss of power would leave, as things stand. */
  readonly durable: DurableState;
  private crashed = false;
  /** Node's functions call each other. */
  private depth = 0;

  constructor(
    /** Absolute. */
    readonly folder: string,
    private readonly plan?: FaultPlan,
    /** Descriptors and their paths, those of earlier faults among them. */
    private readonly opened = new Map<number, string>(),
  ) {
    this.durable = new DurableState(folder);
  }

  /** What goes on after these, with other faults. */
  next(plan?: FaultPlan): FaultyFiles {
    return new FaultyFiles(this.folder, plan, this.opened);
  }

  /** Closes what was left open, as the end of a process does. */
  close(): void {
    for (const file of this.opened.keys()) fs.closeSync(file);
    this.opened.clear();
  }

  /** Runs `action` on these files. The real ones are back when it ends. */
  during<T>(action: () => T): T {
    const before = inUse;
    inUse = this;
    try {
      return action();
    } finally {
      inUse = before;
    }
  }

  /** Calls `name` of node:fs as these files have it. */
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

  /** Undefined for what lies elsewhere. */
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
        // Linux gives the descriptor back whatever it answers
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

  /** Notes what an operation that went well has changed. */
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

/** Whether any call of that name changes something on the disk or is part of doing so. */
export function changes({ call }: Operation): boolean {
  return !READING.has(call);
}
