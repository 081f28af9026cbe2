/** Short forms in command lines: `key=value` without `--set`, and verbs of other programs. */
import type { Command } from 'commander';

const ASSIGNMENT = /^[A-Za-z_][\w.-]*=/;

/**
 * Inserts `--set` before each `key=value` argument of `run`, so that it accepts them like `sweep`.
 * Skips words that are the values of options.
 */
export function withAssignments(words: readonly string[], program: Command): string[] {
  if (words[0] !== 'run') return [...words];
  const options = program.commands.find(command => command.name() === 'run')?.options ?? [];
  const needsValue = (word: string): boolean =>
    options.some(({ short, long, required }) => required && (word === short || word === long));
  return words.flatMap((word, i) => {
    const isValue = i > 0 && needsValue(words[i - 1]);
    return ASSIGNMENT.test(word) && !isValue ? ['--set', word] : [word];
  });
}

/** Names that other programs use for a verb. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  train: 'run',
  fit: 'run',
  start: 'run',
  eval: 'evaluate',
  test: 'evaluate',
  score: 'evaluate',
  infer: 'predict',
  generate: 'predict --generate',
  continue: 'resume',
  check: 'validate',
  lint: 'validate',
  new: 'init',
  create: 'init',
  tune: 'sweep',
  search: 'sweep',
  ui: 'serve',
  dashboard: 'serve',
  show: 'config show',
  list: 'report',
  diff: 'compare',
  info: 'doctor',
};

/** The verb that `name` probably means; undefined if unknown. */
export function verbMeant(name: string): string | undefined {
  return Object.hasOwn(OTHER_NAMES, name) ? OTHER_NAMES[name] : undefined;
}
