/** One call of the program. `main.ts` connects it to a process. */
import { isUtf8 } from 'node:buffer';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { allowUnlocked, UNLOCKED } from '../run/lock.js';
import { type Diagnostic, EXIT, type ExitCode, UserError, usageError } from '../util/errors.js';
import { packageRoot } from '../util/root.js';
import { systemReason } from '../util/system-errors.js';
import { printable } from '../util/words.js';
import { asTyped } from './command/command-line.js';
import { formatDiagnostics } from './terminal/diagnostics.js';
import { HintedError } from './terminal/hinted-error.js';
import { type Io, isStdoutMissing, processIo, stdoutMissing, type Terminal } from './terminal/io.js';

export class Call {
  private readonly io: Io;
  private readonly verbose: boolean;

  /** @param argv without node and script */
  constructor(
    private readonly argv: readonly string[],
    private readonly terminal: Terminal,
  ) {
    this.io = processIo(terminal, argv.includes('--no-color'));
    this.verbose = argv.includes('--verbose') || Boolean(terminal.env.DEBUG);
  }

  /** Runs the command line and prints errors. */
  async run(): Promise<ExitCode> {
    try {
      // before anything is done
      if (this.argv.includes('--json') && isStdoutMissing(this.terminal.stdout))
        throw stdoutMissing('--json cannot print', ', or no --json');
      checkNames(this.argv);
      if (this.terminal.env[UNLOCKED] === '1') allowUnlocked();
      const { runCommandLine } = await import('./program.js');
      return await runCommandLine(this.argv, this.io, packageVersion());
    } catch (error) {
      return this.fail(error);
    }
  }

  /** Prints an error and returns its exit code. */
  fail(error: unknown): ExitCode {
    const { err, color } = this.io;
    if (error instanceof HintedError) {
      const code = this.fail(error.cause);
      err(error.hint);
      return code;
    }
    if (error instanceof UserError) {
      err(formatDiagnostics(asTyped(error.diagnostics, this.argv), { color: color.err }));
      if (this.verbose) err(`${stackOf(error)}\n`);
      return error.exitCode;
    }
    const system = systemFailure(error);
    const message = system ?? (error instanceof Error ? error.message : String(error)).split('\n')[0];
    err(`cellrun: ${system === undefined ? 'unexpected failure: ' : ''}${printable(message)}\n`);
    if (this.verbose) err(`${stackOf(error)}\n`);
    else if (system === undefined)
      err('This is a bug in cellrun. Please report it with the output of --verbose.\n');
    return EXIT.unexpected;
  }
}

function packageVersion(): string {
  const { version }: { version?: unknown } = JSON.parse(
    readFileSync(join(packageRoot, 'package.json'), 'utf8'),
  );
  return String(version);
}

/** Describes failures of the operating system, such as a full disk, which are not bugs. */
function systemFailure(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const resource = exhausted(error);
  if (resource !== undefined) return resource;
  const { path, syscall }: NodeJS.ErrnoException = error;
  const reason = systemReason(error);
  return reason === undefined ? undefined : `${path ?? syscall ?? 'system'}: ${reason}`;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const REPLACED = '\ufffd';

/**
 * @throws UserError (exit 2) if the working directory was removed, or its path or an argument is
 *   not UTF-8
 */
export function checkNames(argv: readonly string[]): void {
  const folder = workingFolder();
  const problems = [
    ...(folder.includes(REPLACED) && !isUtf8(bytesOfFolder())
      ? [notUtf8('the working directory', folder)]
      : []),
    ...unreadable(argv).map(argument => notUtf8('an argument', argument)),
  ];
  if (problems.length > 0) throw usageError(...problems);
}

function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    throw usageError({
      code: 'cli/no-folder',
      message: 'the working directory has been removed',
      expected: 'a command in a folder that exists: cd to one first',
    });
  }
}

function unreadable(argv: readonly string[]): string[] {
  const replaced = argv.filter(argument => argument.includes(REPLACED));
  // a name may really contain U+FFFD; only Linux has the original bytes
  if (replaced.length === 0 || !existsSync(COMMAND_LINE) || isUtf8(readFileSync(COMMAND_LINE))) return [];
  return replaced;
}

const COMMAND_LINE = '/proc/self/cmdline';

function bytesOfFolder(): Uint8Array {
  try {
    return readlinkSync('/proc/self/cwd', { encoding: 'buffer' });
  } catch {
    return new Uint8Array();
  }
}

function notUtf8(what: string, got: string): Diagnostic {
  return {
    code: 'cli/not-utf-8',
    message: `${what} has bytes that are not UTF-8, and so it would refer to another file`,
    expected: 'names in UTF-8',
    got,
  };
}

/** Describes exhausted resources: the resource, who needed it, and its limit. */

/** Linux has one limit for threads and processes. */
const THREADS = 'no more threads or processes can be started (`ulimit -u`, or a limit of the container)';
const MEMORY = 'not enough memory (`ulimit -v`, a limit of the container, or the machine itself)';
/** V8 reserves address space instead of checking every access. */
const WEBASSEMBLY = "the kernels' memory, which reserves up to 10 GiB of address space";
const FILES = 'too many open files (`ulimit -n`)';

/** Messages of Node and V8, whose memory errors have no codes. */
const OF_MEMORY =
  /Array buffer allocation failed|could not allocate memory|Out of memory|Invalid (?:typed )?array length|WebAssembly\.Memory\(\)|Maximum memory/i;

/** Describes an exhausted resource, who needed it, and its limit; undefined for other errors. */
export function exhausted(error: Error): string | undefined {
  const { code = '', syscall = '', path } = error as NodeJS.ErrnoException;
  const by = path ?? syscall;
  const described = (resource: string, need: string) => `${need === '' ? '' : `${need}: `}${resource}`;
  switch (code) {
    case 'EMFILE':
    case 'ENFILE':
      return described(FILES, by);
    case 'ENOMEM':
      return described(MEMORY, by);
    case 'EAGAIN':
      // EAGAIN has another meaning for reads and writes
      return syscall.startsWith('spawn') || syscall.startsWith('fork') ? described(THREADS, by) : undefined;
    case 'ERR_WORKER_INIT_FAILED':
      return /EMFILE/.test(error.message)
        ? described(FILES, 'a worker thread')
        : described(THREADS, 'a worker thread (--threads 1 needs none)');
    case 'ERR_WORKER_OUT_OF_MEMORY':
      return described(MEMORY, 'a worker thread');
    case 'ERR_MEMORY_ALLOCATION_FAILED':
      return described(MEMORY, '');
    default:
      // the module loader has no code for it
      if (/too many open files/i.test(error.message)) return described(FILES, by);
      if (!(error instanceof RangeError && OF_MEMORY.test(error.message))) return undefined;
      return described(
        MEMORY,
        /WebAssembly/.test(error.message) ? WEBASSEMBLY : 'arrays for the data or the model',
      );
  }
}
