/** The name that the program was called by, so that suggested commands run as printed. */
import { basename, delimiter, dirname, join } from 'node:path';

/**
 * The words that start the program again: the name of the clone's launcher, which sets it in the
 * environment; `npx` for a program in `node_modules/.bin`, which is not on a shell's PATH; the name
 * of a link on the PATH; else the path.
 */
export function programName(
  argv: readonly string[],
  { CELLRUN_CALLED_AS: launcher, PATH = '' }: Readonly<Record<string, string | undefined>>,
): string {
  if (launcher !== undefined && launcher !== '') return quoted(launcher);
  const script = argv[1] ?? 'cellrun';
  if (basename(script) === 'main.js') return `node ${quoted(script)}`;
  // before the check of PATH, since npx and npm add this folder to it
  if (dirname(script).endsWith(join('node_modules', '.bin'))) return `npx ${quoted(basename(script))}`;
  return PATH.split(delimiter).includes(dirname(script)) ? quoted(basename(script)) : quoted(script);
}

/** Quotes a word for a shell, if necessary. */
export function quoted(path: string): string {
  // line breaks would split the line, and other control characters could drive the terminal
  if (/\p{Cc}/u.test(path)) return `$'${path.replaceAll(/[\\']/g, '\\$&').replaceAll(/\p{Cc}/gu, escaped)}'`;
  return /^[\w./+:@=,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

/** Escapes a control character for shells that know `$'…'`. */
function escaped(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
