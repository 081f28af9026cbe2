/**
 * Command lines: expands the short forms that users type, and writes commands for users to type.
 */
import { existsSync } from 'node:fs';
import { basename, delimiter, dirname, join, relative } from 'node:path';
import type { Command } from 'commander';
import type { Diagnostic } from '../../util/errors.js';
import { quoted } from '../../util/words.js';

const ASSIGNMENT = /^[A-Za-z_][\w.[\]-]*=/;
/** `sweep` reads `key=value` words itself: a list of values is a parameter there. */
const READS_ASSIGNMENTS = 'sweep';

/** The command that `words` begin with, and the number of words that name it. */
export function commandOf(
  words: readonly string[],
  program: Command,
): { readonly command: Command; readonly depth: number } {
  let command = program;
  for (const [depth, word] of words.entries()) {
    const below = command.commands.find(child => child.name() === word);
    if (below === undefined) return { command, depth };
    command = below;
  }
  return { command, depth: words.length };
}

/**
 * Inserts `--set` before each `key=value` argument of `run`, so that it accepts them like `sweep`.
 * Skips words that are the values of options.
 */
export function withAssignments(words: readonly string[], program: Command): string[] {
  const { command, depth } = commandOf(words, program);
  if (command.name() === READS_ASSIGNMENTS || !command.options.some(({ long }) => long === '--set'))
    return [...words];
  const needsValue = (word: string): boolean =>
    command.options.some(({ short, long, required }) => required && (word === short || word === long));
  const end = words.includes('--') ? words.indexOf('--') : words.length;
  return words.flatMap((word, i) => {
    const isArgument = i >= depth && i < end && !needsValue(words[i - 1]);
    return isArgument && ASSIGNMENT.test(word) && !existsSync(word) ? ['--set', word] : [word];
  });
}

/**
 * Diagnostics about `key=value` words that were typed without `--set` name the word instead.
 * @param typed the command line
 */
export function asTyped(diagnostics: readonly Diagnostic[], typed: readonly string[]): Diagnostic[] {
  const words = new Set(typed.filter((_, i) => typed[i - 1] !== '--set'));
  return diagnostics.map(diagnostic => {
    const { file, line: _, ...rest } = diagnostic;
    const word = rest.source ?? rest.got;
    return file === '--set' && word !== undefined && words.has(word) ? { ...rest, file: word } : diagnostic;
  });
}

/** Names that other programs use, by the verb. */
const OTHER_NAMES = {
  run: 'train fit start',
  evaluate: 'eval test score',
  predict: 'infer',
  'predict --generate': 'generate',
  resume: 'continue',
  validate: 'check lint',
  init: 'new create',
  sweep: 'tune search',
  serve: 'ui dashboard list',
  'config show': 'show',
  compare: 'diff',
  doctor: 'info',
};

export function verbMeant(name: string): string | undefined {
  return Object.entries(OTHER_NAMES).find(([, names]) => names.split(' ').includes(name))?.[0];
}

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

/** The command that resumes the run or sweep in `directory`, as a line. */
export function resumeHint(
  verb: 'resume' | 'sweep resume',
  directory: string,
  flags: readonly string[] = [],
): string {
  const words = [relative('.', directory) || '.', ...flags].map(quoted);
  return `Resume with: ${programName(process.argv, process.env)} ${verb} ${words.join(' ')}\n`;
}

/** The words of a command line that give these options. */
export function optionsOf(options: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value],
  );
}
