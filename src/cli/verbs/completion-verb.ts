/** The verb `completion`. */
import { Argument, type Command } from 'commander';
import { EXIT } from '../../util/errors.js';
import { type Shell, verb } from '../flags.js';

export function addCompletion(program: Command, { io, finish }: Shell): void {
  verb(program, 'completion', 'print a script that completes verbs and options in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { completionScript } = await import('./completion.js');
      io.out(completionScript(shell, program));
      finish(EXIT.done);
    });
}
