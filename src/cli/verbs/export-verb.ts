/** The verb `export`. */
import { type Command, Option } from 'commander';
import type { WeightsName } from '../../training/step/weights.js';
import { usageError } from '../../util/errors.js';
import { checkpointOption, jsonOption, type Shell, verb } from '../flags.js';
import { parseFolder } from '../options.js';
import type { ExportOptions } from './export.js';

export function addExport(program: Command, { io, finish }: Shell): void {
  type Flags = Omit<ExportOptions, 'json'> & {
    tensorboard?: boolean;
    weights?: true | WeightsName;
    json?: boolean;
  };
  verb(
    program,
    'export <runs...>',
    'write runs in a form that other programs read; also a sweep, or a folder of runs',
  )
    .option('--tensorboard', 'event files: curves, config and hyperparameters')
    .addOption(
      new Option(
        '--weights [which]',
        'weights.safetensors: the weights alone under the names of PyTorch; trained or average (default: the average if the run keeps one)',
      )
        .choices(['trained', 'average'] satisfies WeightsName[])
        .conflicts('tensorboard'),
    )
    .addOption(checkpointOption().conflicts('tensorboard'))
    .addOption(
      new Option(
        '-o, --output <dir>',
        "where to (default: each run's directory, event files in a folder `tensorboard` there)",
      ).argParser(parseFolder),
    )
    .addOption(jsonOption('what was written'))
    .action(
      async (paths: string[], { tensorboard = false, weights, output, checkpoint, json = false }: Flags) => {
        if (!tensorboard && weights === undefined)
          throw usageError({
            code: 'cli/export-format',
            message: 'export needs to be told the format',
            expected: '--tensorboard or --weights',
          });
        const { exportTensorboard, exportWeights } = await import('./export.js');
        if (tensorboard) finish(exportTensorboard(paths, { output, json }, io));
        else {
          const which = weights === true ? undefined : weights;
          finish(exportWeights(paths, { output, json, checkpoint, weights: which }, io));
        }
      },
    );
}
