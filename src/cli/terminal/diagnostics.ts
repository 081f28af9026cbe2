/**
 * Formats diagnostics:
 *
 *     configs/x.yaml:3:5: unknown key 'learing_rate'
 *       3 |     learing_rate: 0.01
 *         |     ^^^^^^^^^^^^
 *       expected: …
 *       got: …
 *       did you mean learning_rate?
 */
import pico from 'picocolors';
import { type Diagnostic, placeOf } from '../../util/errors.js';
import { printable } from '../../util/words.js';
import type { Io } from './io.js';

/** Longer source lines are cut around the caret. */
const MAX_SOURCE = 120;

/** Maximum number of identical errors, and of warnings with the same code, that are shown. */
export const MAX_ALIKE = 5;

/**
 * Formats `diagnostics`, separated by empty lines, each with a newline at its end. Those that are
 * alike are shown five times, then counted.
 * @param left number of others like these
 */
export function formatDiagnostics(
  diagnostics: readonly Diagnostic[],
  {
    color,
    severity = 'error',
    left: others = 0,
  }: { readonly color: boolean; readonly severity?: 'error' | 'warning'; readonly left?: number },
): string {
  const colors = pico.createColors(color);
  const counts = new Map<string, number>();
  const shown = diagnostics.filter(({ code, message }) => {
    const key = severity === 'error' ? `${code} ${message}` : code;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count <= MAX_ALIKE;
  });
  const left = others + diagnostics.length - shown.length;
  const more = left === 0 ? [] : [`${severity === 'warning' ? 'warning: ' : ''}${left} more like these\n`];
  const formatted = shown.map(diagnostic => `${formatOne(diagnostic, severity, colors).join('\n')}\n`);
  return [...formatted, ...more].join('\n');
}

/** Prints diagnostics to stderr, and `end` after them; nothing if there are none. */
export function printDiagnostics(
  diagnostics: readonly Diagnostic[],
  severity: 'error' | 'warning',
  { err, color }: Pick<Io, 'err' | 'color'>,
  end = '',
): void {
  if (diagnostics.length > 0) err(formatDiagnostics(diagnostics, { color: color.err, severity }) + end);
}

type Colors = ReturnType<typeof pico.createColors>;

function formatOne(d: Diagnostic, severity: 'error' | 'warning', colors: Colors): string[] {
  const place = printable(placeOf(d) || 'cellrun: ');
  const message = printable(d.message);
  return [
    `${colors.bold(place)}${severity === 'error' ? colors.red(message) : colors.yellow(`warning: ${message}`)}`,
    ...excerpt(d, colors),
    ...(d.expected === undefined ? [] : [`  expected: ${printable(d.expected)}`]),
    ...(d.got === undefined ? [] : [`  got: ${printable(d.got)}`]),
    ...(d.suggestion === undefined ? [] : [colors.cyan(`  did you mean ${printable(d.suggestion)}?`)]),
  ];
}

/** The source line with its number, and the caret line below. */
function excerpt(d: Diagnostic, colors: Colors): string[] {
  if (d.source === undefined) return [];
  const { text, column, length } = crop(d.source, d.column ?? 1, d.length ?? 1);
  const number = d.line === undefined ? '' : String(d.line);
  // Tabs stay tabs in both lines, so that the caret is aligned at any tab width.
  const indent = text.slice(0, column - 1).replaceAll(/[^\t]/g, ' ');
  return [
    `${colors.dim(`  ${number} |`)} ${printable(text)}`,
    `${colors.dim(`  ${' '.repeat(number.length)} |`)} ${indent}${colors.red('^'.repeat(length))}`,
  ];
}

/** Crops the line to MAX_SOURCE units around the caret, and moves the caret with it. */
function crop(source: string, column: number, length: number) {
  const start = column + Math.min(length, MAX_SOURCE / 2) <= MAX_SOURCE ? 0 : column - 1 - MAX_SOURCE / 4;
  const end = start + MAX_SOURCE;
  const text = (start > 0 ? '…' : '') + source.slice(start, end) + (end < source.length ? '…' : '');
  const shifted = column - start + (start > 0 ? 1 : 0);
  // The caret may be one column past the end, but no further.
  return { text, column: shifted, length: Math.max(1, Math.min(length, text.length - shifted + 1)) };
}

export class HintedError extends Error {
  /** @param hint complete lines, printed after the message of `cause` */
  constructor(
    override readonly cause: unknown,
    readonly hint: string,
  ) {
    super('see the cause', { cause });
  }
}
