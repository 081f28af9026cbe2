/** Diagnostics as GitHub workflow commands, which annotate the lines of a pull request. */
import { relativeTo } from '../../judge/judging/gate-places.js';
import type { Diagnostic } from '../../util/errors.js';
import { printable } from '../../util/words.js';
import type { Severity } from './diagnostics.js';

export interface Annotating {
  /** Shown for diagnostics without a file, such as those of `--set`. */
  readonly file: string;
  readonly severity?: Severity;
  /** The directory of the checkout: paths within it become relative. */
  readonly workspace?: string | undefined;
}

/** One `::error` or `::warning` line per diagnostic. */
export function formatAnnotations(diagnostics: readonly Diagnostic[], annotating: Annotating): string {
  return diagnostics.map(diagnostic => `${annotation(diagnostic, annotating)}\n`).join('');
}

function annotation(d: Diagnostic, { file, severity = 'error', workspace }: Annotating): string {
  const isFile = d.file !== undefined && d.file !== '--set';
  const place = isFile && d.line !== undefined ? lineProperties(d) : {};
  const path = isFile ? (d.file as string) : file;
  const inside = workspace === undefined ? undefined : relativeTo(workspace, path);
  const properties = { file: inside ?? path, ...place, title: d.code };
  return annotationLine(severity, properties, sentence(d, isFile));
}

/** One workflow command, without a newline. */
export function annotationLine(
  severity: Severity | 'notice',
  properties: Readonly<Record<string, unknown>>,
  message: string,
): string {
  const list = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(String(value))}`);
  return `::${severity} ${list.join(',')}::${escapeMessage(message)}`;
}

function lineProperties({ line, column = 1, length = 1 }: Diagnostic): Record<string, unknown> {
  return { line, col: column, endColumn: column + length };
}

function sentence(d: Diagnostic, isFile: boolean): string {
  return [
    isFile || d.source === undefined ? d.message : `--set ${d.source}: ${d.message}`,
    ...(d.expected === undefined ? [] : [`expected: ${d.expected}`]),
    ...(d.got === undefined ? [] : [`got: ${d.got}`]),
    ...(d.suggestion === undefined ? [] : [`did you mean ${d.suggestion}?`]),
  ].join('\n');
}

function escapeMessage(text: string): string {
  const shown = text.split(/\r?\n/).map(printable).join('\n');
  return shown.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeMessage(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
