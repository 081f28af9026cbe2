#!/usr/bin/env node
/** The program's entry: the process's arguments, streams and exit code, and nothing else, are handled here. */
import './early-signals.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, type ExitCode, UserError } from '../errors.js';
import { refusal } from '../experiment/refusals.js';
import { packageRoot } from '../root.js';
import { formatDiagnostics } from './diagnostics.js';
import { HintedError } from './hinted-error.js';
import { type Io, processIo } from './io.js';

const argv = process.argv.slice(2);
const io = processIo(process, argv.includes('--no-color'));
const verbose = argv.includes('--verbose') || Boolean(process.env.DEBUG);

process.on('uncaughtException', error => process.exit(report(error, io)));

// loaded only now, so that a signal that comes meanwhile finds its listener
const { runCommandLine } = await import('./program.js');

process.exitCode = await runCommandLine(argv, io, packageVersion()).catch((error: unknown) =>
  report(error, io),
);

function packageVersion(): string {
  const { version }: { version?: unknown } = JSON.parse(
    readFileSync(join(packageRoot, 'package.json'), 'utf8'),
  );
  return String(version);
}

/** Says what went wrong and returns the exit code for it. */
function report(error: unknown, io: Io): ExitCode {
  if (error instanceof HintedError) {
    const code = report(error.cause, io);
    io.err(error.hint);
    return code;
  }
  const { err, color } = io;
  if (error instanceof UserError) {
    err(formatDiagnostics(error.diagnostics, { color: color.err }));
    if (verbose) err(`${stackOf(error)}\n`);
    return error.exitCode;
  }
  const system = systemFailure(error);
  const message = system ?? (error instanceof Error ? error.message : String(error)).split('\n')[0];
  err(`cellrun: ${system === undefined ? 'unexpected failure: ' : ''}${message}\n`);
  if (verbose) err(`${stackOf(error)}\n`);
  else if (system === undefined)
    err('This is a defect of cellrun. --verbose shows where it happened; please report it.\n');
  return EXIT.unexpected;
}

/** What the operating system refused is no defect of ours: a full disk, a missing permission. */
function systemFailure(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { path, syscall }: NodeJS.ErrnoException = error;
  const reason = refusal(error);
  return reason === undefined ? undefined : `${path ?? syscall ?? 'system'}: ${reason}`;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
