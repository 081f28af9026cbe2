/** The verb `tag`. */
import { type Command, Option } from 'commander';
import { jsonOption, type Shell, verb } from '../flags.js';
import { collect } from '../options.js';

export function addTag(program: Command, { io, finish }: Shell): void {
  type Flags = { add: readonly string[]; remove: readonly string[]; note?: string; json?: boolean };
  verb(program, 'tag <run...>', 'give runs or sweeps tags and a note, or print those they have')
    .addOption(new Option('--add <tag>', 'add a tag (repeatable)').argParser(collect).default([], 'none'))
    .addOption(
      new Option('--remove <tag>', 'remove a tag (repeatable)').argParser(collect).default([], 'none'),
    )
    .option('--note <text>', 'replace the note; an empty text removes it')
    .addOption(jsonOption('tags and notes'))
    .action(async (runs: readonly string[], { add, remove, note, json = false }: Flags) => {
      const { tag } = await import('./tag.js');
      finish(tag(runs, { add, remove, note }, { json }, io));
    });
}
