/** `help VERB…`, at any depth. Commander answers an unknown verb with the general help, as if nothing were wrong. */
import type { Command } from 'commander';
import { usageError } from '../util/errors.js';

const HELP = 'help';

/**
 * The command that the words ask to have explained, such as `help config show` or `config help show`; undefined where they
 * ask for no help.
 * @throws UserError exit 2 for a verb that is not there
 */
export async function explainedCommand(
  program: Command,
  argv: readonly string[],
): Promise<Command | undefined> {
  const words = argv.filter(word => !word.startsWith('-'));
  const at = words.indexOf(HELP);
  const isFlagged = argv.includes('--help') || argv.includes('-h');
  if (isFlagged && at < 0 && argv[0] === words[0] && verbOf(program, words[0]) === undefined) {
    throw await unknownVerb(words[0], program);
  }
  if (at < 0 || !isVerbPath(program, words.slice(0, at))) return undefined;
  let command = program;
  for (const word of words.toSpliced(at, 1)) {
    if (command.commands.length === 0) break;
    const next = verbOf(command, word);
    if (next === undefined && word !== HELP) throw await unknownVerb(word, command);
    command = next ?? command;
  }
  return command;
}

/** Whether the words lead to a verb that has verbs of its own, so that `help` after them is no file of that name. */
function isVerbPath(program: Command, words: readonly string[]): boolean {
  let command: Command | undefined = program;
  for (const word of words) command = command && verbOf(command, word);
  return command !== undefined && command.commands.length > 0;
}

function verbOf(command: Command, word: string): Command | undefined {
  return command.commands.find(verb => verb.name() === word);
}

async function unknownVerb(word: string, command: Command): Promise<Error> {
  // What looks for near words reads the schema, which no help needs.
  const { nearest } = await import('../config/wording/suggest.js');
  const names = command.commands.map(verb => verb.name());
  const suggestion = nearest(word, names);
  return usageError({
    code: 'cli/unknownCommand',
    message: `unknown command '${word}'`,
    expected: names.join(', '),
    ...(suggestion !== undefined && { suggestion }),
  });
}
