/** The verbs that put a run's saved weights to work. */

import { type Command, Option } from 'commander';
import type { Width } from '../engine/simd/target.js';
import {
  backendOption,
  checkpointOption,
  jsonOption,
  quietOption,
  type Shell,
  threadsOption,
  verb,
  weightsOption,
  widthOption,
} from './flags.js';
import {
  type EvaluateOptions,
  PREDICTION_FORMATS,
  type PredictOptions,
  parseCount,
  SPLITS,
} from './options.js';

export function addEvaluate(program: Command, { io, finish }: Shell): void {
  type Flags = Pick<EvaluateOptions, 'checkpoint' | 'weights' | 'split' | 'backend'> & {
    threads?: number;
    width?: Width;
    json?: boolean;
    quiet?: boolean;
  };
  verb(program, 'evaluate <run>', 'the metrics of a run directory, from one of its checkpoints')
    .addOption(checkpointOption())
    .addOption(splitOption())
    .addOption(weightsOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(widthOption())
    .addOption(jsonOption('the result'))
    .addOption(quietOption())
    .action(async (run: string, { json = false, quiet = false, threads, ...options }: Flags) => {
      const { evaluate } = await import('./evaluate.js');
      finish(await evaluate(run, { ...options, threads, json, quiet }, io));
    });
}

function splitOption(): Option {
  return new Option('--split <name>', 'the split to read').choices(SPLITS).default(SPLITS[0]);
}

export function addPredict(program: Command, { io, finish }: Shell): void {
  type Flags = Omit<PredictOptions, 'threads' | 'limit'> & { threads?: number; limit?: number };
  verb(program, 'predict <run>', "print a checkpoint's prediction for every sequence")
    .addOption(checkpointOption())
    .addOption(splitOption())
    .addOption(weightsOption())
    .addOption(
      new Option('--format <format>', 'how to print them')
        .choices(PREDICTION_FORMATS)
        .default(PREDICTION_FORMATS[0]),
    )
    .option(
      '--raw',
      "csv: no apostrophe before text that a spreadsheet takes for a formula ('=…', '@…', '+a', '-a')",
    )
    .addOption(new Option('--limit <n>', 'the first so many sequences').argParser(parseCount))
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(widthOption())
    .action(async (run: string, { limit, threads, ...options }: Flags) => {
      const { predict } = await import('./predict.js');
      finish(await predict(run, { ...options, limit, threads }, io));
    });
}
