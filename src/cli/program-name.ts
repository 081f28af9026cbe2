/** How the program was called, so that every command that it suggests can be run as printed. */
import { basename, delimiter, dirname, join } from 'node:path';

/**
 * The words that start the program again: the clone's launcher names itself in the environment; a
 * program of `node_modules/.bin`, which no shell finds by its name, is started by `npx`; a link that
 * the shell finds goes by its name; anything else by its path.
 */
export function programName(
  argv: readonly string[],
  { CELLRUN_CALLED_AS: launcher, PATH = '' }: Readonly<Record<string, string | undefined>>,
): string {
  if (launcher !== undefined && launcher !== '') return quoted(launcher);
  const script = argv[1] ?? 'cellrun';
  if (basename(script) === 'main.js') return `node ${quoted(script)}`;
  // npx and npm put this folder on the PATH of what they start
  if (dirname(script).endsWith(join('node_modules', '.bin'))) return `npx ${quoted(basename(script))}`;
  return PATH.split(delimiter).includes(dirname(script)) ? quoted(basename(script)) : quoted(script);
}

/** As a shell takes it. */
export function quoted(path: string): string {
  // a line break would begin a line of its own, and anything else of the kind drive the terminal
  if (/\p{Cc}/u.test(path)) return `$'${path.replaceAll(/[\\']/g, '\\$&').replaceAll(/\p{Cc}/gu, escaped)}'`;
  return /^[\w./+:@=,-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

/** As the shells that know `$'…'` write a control character. */
function escaped(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
