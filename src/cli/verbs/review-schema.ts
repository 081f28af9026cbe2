/** `review --schema PATH…`: logs and documents of any origin against the schemas. */

import { type CheckedFile, checkSchemas, MAX_SHOWN, type SchemaCheck } from '../../review/schema-check.js';
import { EXIT, type ExitCode } from '../../util/errors.js';
import { formatDiagnostics } from '../terminal/diagnostics.js';
import { formatAnnotations } from '../terminal/github.js';
import type { Io } from '../terminal/io.js';

/** Exit 5 where anything violates its schema. Throws exit 2 for a path that has none. */
export function reviewSchema(
  paths: readonly string[],
  { format, workspace }: { readonly format: string; readonly workspace: string | undefined },
  io: Io,
): ExitCode {
  const check = checkSchemas(paths);
  const isValid = check.files.every(({ wrong }) => wrong === 0);
  if (format === 'json')
    io.out(`${JSON.stringify({ version: 1, valid: isValid, ...check }, undefined, 2)}\n`);
  else if (format === 'github') io.out(formatAnnotations(check.diagnostics, { file: paths[0], workspace }));
  else print(check, io);
  return isValid ? EXIT.done : EXIT.damaged;
}

function print({ files, diagnostics }: SchemaCheck, io: Io): void {
  if (diagnostics.length > 0) io.err(`${formatDiagnostics(diagnostics, { color: io.color.err })}\n`);
  if (diagnostics.length === MAX_SHOWN) io.err(`Only the first ${MAX_SHOWN} problems are shown.\n`);
  for (const checked of files) io.out(`${checked.file}: ${verdictOf(checked)}\n`);
}

function verdictOf({ schema, parts, wrong }: CheckedFile): string {
  const isLog = parts > 1;
  if (wrong === 0) return `valid by ${schema}${isLog ? `, ${parts} lines` : ''}`;
  return `not valid by ${schema}${isLog ? `, ${wrong} of ${parts} lines` : ''}`;
}
