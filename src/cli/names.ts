/**
 * Whether the program can name what it is given. Node hands over names as text, with U+FFFD in
 * place of bytes that are not UTF-8: a path made of that is another one.
 */
import { isUtf8 } from 'node:buffer';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { type Diagnostic, usageError } from '../util/errors.js';

const REPLACED = '\ufffd';

/**
 * @throws UserError (exit 2) if the working directory is gone, or it or an argument is not UTF-8
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
  // the sign itself may be part of a name; only Linux says which bytes there were
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
    message: `${what} has bytes that are not UTF-8, and would stand for another name`,
    expected: 'names in UTF-8',
    got,
  };
}
