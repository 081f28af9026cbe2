/** The verb `export`. */
import { type Command, Option } from 'commander';
import { usageError } from '../errors.js';
import { jsonOption, type Shell, verb } from './flags.js';
import { parseFolder } from './options.js';

export function addExport(program: Command, { io, finish }: Shell): void {
  type Flags = { tensorboard?: boolean; output?: string; json?: boolean };
  verb(
    program,
    'export <runs...>',
    'write runs in a form that other programs read; also a sweep, or a folder of runs',
  )
    .option('--tensorboard', 'event files: curves, config and hyperparameters')
    .addOption(
      new Option(
        '-o, --output <dir>',
        "where to (default: a folder `tensorboard` in each run's directory)",
      ).argParser(parseFolder),
    )
    .addOption(jsonOption('what was written'))
    .action(async (paths: string[], { tensorboard = false, output, json = false }: Flags) => {
      if (!tensorboard)
        throw usageError({
          code: 'cli/export-format',
          message: 'export needs to be told the format',
          expected: '--tensorboard',
        });
      const { exportTensorboard } = await import('./export.js');
      finish(exportTensorboard(paths, { output, json }, io));
    });
}
