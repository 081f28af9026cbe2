/** The verb `init`. */
import { type Command, Option } from 'commander';
import { EXIT } from '../../util/errors.js';
import { type Shell, verb } from '../flags.js';
import { TEMPLATES } from '../options.js';
import type { InitOptions } from './init.js';

export function addInit(program: Command, { io, finish }: Shell): void {
  verb(program, 'init [file]', 'write a first config and print the next command')
    .addOption(
      new Option('--template <kind>', 'what is learned; csv, text and forecast write sample data, too')
        .choices(TEMPLATES)
        .conflicts('from'),
    )
    .option('--from <data>', 'a .csv table, whose columns are guessed, or a .txt text; .gz is decompressed')
    .option('--target <column>', 'the column to predict (default: guessed)')
    .option('--group <column>', 'the column whose equal values form a sequence or series (default: guessed)')
    .option('--time <column>', 'the column that orders the steps (default: guessed)')
    .option('--force', 'replace files that exist')
    .action(async (file: string | undefined, options: InitOptions) => {
      const { init } = await import('./init.js');
      await init(file, options, io);
      finish(EXIT.done);
    });
}
