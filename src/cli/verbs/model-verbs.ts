/** The verbs that put a run's saved weights to work. */

import { type Command, Option } from 'commander';
import type { Width } from '../../engine/simd/target.js';
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
} from '../flags.js';
import {
  collect,
  type EvaluateOptions,
  ON_ERROR,
  PREDICTION_FORMATS,
  type PredictOptions,
  parseCount,
  parseSeed,
  parseTemperature,
  SPLITS,
} from '../options.js';

export function addEvaluate(program: Command, { io, finish }: Shell): void {
  type Flags = Pick<EvaluateOptions, 'checkpoint' | 'weights' | 'set' | 'split' | 'backend' | 'backtest'> & {
    threads?: number;
    width?: Width;
    json?: boolean;
    quiet?: boolean;
  };
  verb(program, 'evaluate <run>', 'the metrics of a run directory, from one of its checkpoints')
    .addOption(checkpointOption())
    .addOption(splitOption())
    .addOption(
      new Option(
        '--backtest',
        'forecast from one origin after another, a horizon apart, beside naive forecasts',
      ),
    )
    .addOption(weightsOption())
    .addOption(movedDataOption())
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

/** Of a run that has ended only the place of its data can change. */
function movedDataOption(): Option {
  return new Option('--set <dataset.path=file>', "where the run's data lie now (repeatable)")
    .argParser(collect)
    .default([], 'none');
}

export function addPredict(program: Command, { io, finish }: Shell): void {
  type Flags = Omit<PredictOptions, 'threads'> & { threads?: number };
  verb(program, 'predict <run>', "print a checkpoint's prediction for every sequence of a split or a file")
    .addOption(
      new Option(
        '--input <file>',
        "new sequences in the format of the run's data, without labels; - is standard input",
      ).conflicts('split'),
    )
    .addOption(splitOption())
    .addOption(
      new Option('--on-error <what>', 'what becomes of a sequence of the input that cannot be read')
        .choices(ON_ERROR)
        .default(ON_ERROR[0]),
    )
    .addOption(
      new Option('--format <format>', 'how to print them')
        .choices(PREDICTION_FORMATS)
        .default(PREDICTION_FORMATS[0]),
    )
    .addOption(
      new Option('--top <k>', 'the k most probable classes, in place of the probabilities of all').argParser(
        parseCount,
      ),
    )
    .option(
      '--raw',
      "csv: no apostrophe before text that a spreadsheet takes for a formula ('=…', '@…', '+a', '-a')",
    )
    .addOption(new Option('--limit <n>', 'the first so many sequences').argParser(parseCount))
    .addOption(
      new Option('--generate', 'let a language model make up text instead').conflicts([
        'input',
        'split',
        'onError',
        'format',
        'top',
        'limit',
        'set',
      ]),
    )
    .addOption(new Option('--prompt <text>', 'what the generated text begins with (default: nothing)'))
    .addOption(new Option('--length <n>', 'symbols to generate (default: 500)').argParser(parseCount))
    .addOption(
      new Option(
        '--temperature <t>',
        'below 1 the likely symbols become likelier; 0 takes the likeliest (default: 1)',
      ).argParser(parseTemperature),
    )
    .addOption(new Option('--seed <n>', 'decides what is drawn (default: 0)').argParser(parseSeed))
    .addOption(checkpointOption())
    .addOption(weightsOption())
    .addOption(movedDataOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(widthOption())
    .action(async (run: string, { threads, ...options }: Flags) => {
      const { predict } = await import('./predict.js');
      finish(await predict(run, { ...options, threads }, io));
    });
}
