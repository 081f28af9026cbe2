/**
 * One call of the program. What belongs to the process that makes it (signals, the exit code) is
 * left to `main.ts`.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { refusal } from '../experiment/files/refusals.js';
import { EXIT, type ExitCode, UserError, usageError } from '../util/errors.js';
import { packageRoot } from '../util/root.js';
import { checkNames } from './names.js';
import { formatDiagnostics } from './terminal/diagnostics.js';
import { exhausted } from './terminal/exhausted.js';
import { HintedError } from './terminal/hinted-error.js';
import { type Io, isClosed, processIo, type Terminal } from './terminal/io.js';

const STDOUT = 1;

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

  /** Runs the command line to its end and says what went wrong. */
  async run(): Promise<ExitCode> {
    try {
      if (this.isUnheard()) throw unheard();
      checkNames(this.argv);
      // loaded only now, so that a signal that comes meanwhile finds its listener
      const { runCommandLine } = await import('./program.js');
      return await runCommandLine(this.argv, this.io, packageVersion());
    } catch (error) {
      return this.fail(error);
    }
  }

  /** Before anything is done whose result nobody could read. */
  private isUnheard(): boolean {
    return this.argv.includes('--json') && this.terminal.stdout.fd === STDOUT && isClosed(STDOUT);
  }

  /** Says what went wrong and returns the exit code for it. */
  fail(error: unknown): ExitCode {
    const { err, color } = this.io;
    if (error instanceof HintedError) {
      const code = this.fail(error.cause);
      err(error.hint);
      return code;
    }
    if (error instanceof UserError) {
      err(formatDiagnostics(error.diagnostics, { color: color.err }));
      if (this.verbose) err(`${stackOf(error)}\n`);
      return error.exitCode;
    }
    const system = systemFailure(error);
    const message = system ?? (error instanceof Error ? error.message : String(error)).split('\n')[0];
    err(`cellrun: ${system === undefined ? 'unexpected failure: ' : ''}${message}\n`);
    if (this.verbose) err(`${stackOf(error)}\n`);
    else if (system === undefined)
      err('This is a defect of cellrun. --verbose shows where it happened; please report it.\n');
    return EXIT.unexpected;
  }
}

function unheard(): UserError {
  return usageError({
    code: 'cli/stdout-closed',
    message: '--json has nowhere to print to: stdout is closed',
    file: 'stdout',
    expected: 'a file, a pipe or a terminal; without --json a run needs none',
  });
}

function packageVersion(): string {
  const { version }: { version?: unknown } = JSON.parse(
    readFileSync(join(packageRoot, 'package.json'), 'utf8'),
  );
  return String(version);
}

/**
 * What the operating system refused is no defect of ours: a full disk, a missing permission, a
 * limit of whoever runs it.
 */
function systemFailure(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const resource = exhausted(error);
  if (resource !== undefined) return resource;
  const { path, syscall }: NodeJS.ErrnoException = error;
  const reason = refusal(error);
  return reason === undefined ? undefined : `${path ?? syscall ?? 'system'}: ${reason}`;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
