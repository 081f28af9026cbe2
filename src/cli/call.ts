/** One call of the program. `main.ts` connects it to a process. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allowUnlocked, UNLOCKED } from '../run/lock.js';
import { EXIT, type ExitCode, UserError, usageError } from '../util/errors.js';
import { packageRoot } from '../util/root.js';
import { systemReason } from '../util/system-errors.js';
import { printable } from '../util/words.js';
import { asTyped } from './command/command-line.js';
import { formatDiagnostics, HintedError } from './terminal/diagnostics.js';
import { type Io, processIo, type Terminal } from './terminal/io.js';
import { openProgramLog } from './terminal/log.js';

export class Call {
  private readonly io: Io;
  private readonly verbose: boolean;

  constructor(
    private readonly argv: readonly string[],
    private readonly terminal: Terminal,
  ) {
    this.io = processIo(terminal, argv.includes('--no-color'));
    const { DEBUG, LOG_LEVEL = '' } = terminal.env;
    this.verbose = argv.includes('--verbose') || Boolean(DEBUG) || /^(debug|trace)$/i.test(LOG_LEVEL);
  }

  async run(): Promise<ExitCode> {
    try {
      if (this.terminal.env[UNLOCKED] === '1') allowUnlocked();
      checkFolder();
      const { runCommandLine } = await import('./program.js');
      const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
      return await runCommandLine(this.argv, this.io, String(version));
    } catch (error) {
      return this.fail(error);
    }
  }

  fail(error: unknown): ExitCode {
    const { err, color } = this.io;
    if (error instanceof HintedError) {
      const code = this.fail(error.cause);
      err(error.hint);
      return code;
    }
    if (error instanceof UserError) {
      err(formatDiagnostics(asTyped(error.diagnostics, this.argv), { color: color.err }));
      if (this.verbose) this.logStack(error);
      return error.exitCode;
    }
    const system = systemFailure(error);
    const message = system ?? (error instanceof Error ? error.message : String(error)).split('\n')[0];
    err(`cellrun: ${system === undefined ? 'unexpected failure: ' : ''}${printable(message)}\n`);
    if (this.verbose) this.logStack(error);
    else if (system === undefined)
      err('This is a bug in cellrun. Please report it with the output of --verbose.\n');
    return EXIT.unexpected;
  }

  private logStack(error: unknown): void {
    const err = error instanceof Error ? error : new Error(String(error));
    openProgramLog(this.io, 'debug').debug({ err }, 'stack trace:');
  }
}

/** Without a working directory, libraries fail while they load, which would look like a bug. */
function checkFolder(): void {
  try {
    process.cwd();
  } catch {
    throw usageError('cli/no-folder', 'the working directory has been removed', {
      expected: 'a directory that exists',
    });
  }
}

/** Describes failures of the operating system, such as a full disk, which are not bugs. */
function systemFailure(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { path, syscall }: NodeJS.ErrnoException = error;
  const reason = systemReason(error);
  return exhausted(error) ?? (reason && `${path ?? syscall ?? 'system'}: ${reason}`);
}

const FILES = 'too many open files (`ulimit -n`)';
/** Linux has one limit for threads and processes. */
const THREADS = 'no more threads or processes can be started (`ulimit -u`, or a limit of the container)';
const MEMORY = 'not enough memory (`ulimit -v`, a limit of the container, or the machine itself)';

/**
 * By code, system call, name and message of an error: the resource that is exhausted, and what
 * needs it if the error does not say. Memory errors of V8 have no codes.
 */
const RESOURCES: readonly (readonly [error: RegExp, resource: string, need?: string])[] = [
  [/^E[MN]FILE|too many open files|EMFILE/i, FILES],
  // EAGAIN has another meaning for reads and writes
  [/^EAGAIN (spawn|fork)/, THREADS],
  [/^ERR_WORKER_INIT_FAILED/, THREADS, 'a worker thread (--threads 1 needs none)'],
  [/^(ENOMEM|ERR_MEMORY_ALLOCATION_FAILED)/, MEMORY],
  [/^ERR_WORKER_OUT_OF_MEMORY/, MEMORY, 'a worker thread'],
  [
    /RangeError: .*(WebAssembly\.Memory\(\)|could not allocate memory)/i,
    MEMORY,
    // V8 reserves address space instead of checking every access
    "the kernels' memory, which reserves up to 10 GiB of address space",
  ],
  [
    /RangeError: .*(buffer allocation failed|Out of memory|Invalid (typed )?array length|Maximum memory)/i,
    MEMORY,
    'arrays for the data or the model',
  ],
];

/** Describes an exhausted resource, who needed it, and its limit; undefined for other errors. */
export function exhausted(error: Error): string | undefined {
  const { code = '', syscall = '', path, name, message } = error as NodeJS.ErrnoException;
  const text = `${code} ${syscall} ${name}: ${message}`;
  const [, resource, need = path ?? syscall] = RESOURCES.find(([known]) => known.test(text)) ?? [];
  return resource && `${need === '' ? '' : `${need}: `}${resource}`;
}
