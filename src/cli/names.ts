/**
 * Refuses names that are not UTF-8. Node decodes names to text with U+FFFD for invalid bytes, so
 * such a path would name another file.
 */
import { isUtf8 } from 'node:buffer';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { type Diagnostic, usageError } from '../util/errors.js';

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
