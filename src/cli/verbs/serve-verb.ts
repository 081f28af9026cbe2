/** The verb `serve`: its flags. */
import { type Command, Option } from 'commander';
import { jsonOption, type Shell, verb } from '../flags.js';
import { parsePort } from '../options.js';

export function addServe(program: Command, { io, finish }: Shell): void {
  verb(program, 'serve [dir]', 'the live dashboard of all runs and sweeps in a folder, or of one of them')
    .addOption(
      new Option(
        '--host <address>',
        'where to listen; anything but this machine itself lets others read',
      ).default('127.0.0.1'),
    )
    .addOption(
      new Option('--port <n>', 'which port, 0 for any (default: 7420, or any where that is taken)').argParser(
        parsePort,
      ),
    )
    .addOption(jsonOption('the address'))
    .action(
      async (
        folder: string | undefined,
        { host, port, json = false }: { host: string; port?: number; json?: boolean },
      ) => {
        const { serve } = await import('./serve.js');
        finish(await serve(folder ?? 'experiments', { host, port, json }, io));
      },
    );
}
