/** The verbs that put a run's saved weights to work. */
import { type Command, Option } from 'commander';
import {
  backendOption,
  checkpointOption,
  jsonOption,
  quietOption,
  type Shell,
  threadsOption,
  verb,
  weightsOption,
} from './flags.js';
import {
  type EvaluateOptions,
  PREDICTED_SPLITS,
  PREDICTION_FORMATS,
  type PredictOptions,
  parseCount,
} from './options.js';

export function addEvaluate(program: Command, { io, finish }: Shell): void {
  type Flags = Pick<EvaluateOptions, 'checkpoint' | 'backend'> & {
    weights?: EvaluateOptions['weights'];
    threads?: number;
    json?: boolean;
    quiet?: boolean;
  };
  verb(program, 'evaluate <run>', 'the metrics of a run directory, from one of its checkpoints')
    .addOption(checkpointOption())
    .addOption(weightsOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(jsonOption('the result'))
    .addOption(quietOption())
    .action(
      async (run: string, { checkpoint, weights, backend, threads, json = false, quiet = false }: Flags) => {
        const { evaluate } = await import('./evaluate.js');
        finish(await evaluate(run, { checkpoint, weights, backend, threads, json, quiet }, io));
      },
    );
}

export function addPredict(program: Command, { io, finish }: Shell): void {
  type Flags = Omit<PredictOptions, 'threads' | 'limit' | 'weights'> & {
    threads?: number;
    limit?: number;
    weights?: PredictOptions['weights'];
  };
  verb(program, 'predict <run>', 'what one of its checkpoints says of each sequence, a line for each')
    .addOption(checkpointOption())
    .addOption(weightsOption())
    .addOption(
      new Option('--split <name>', 'whose sequences').choices(PREDICTED_SPLITS).default(PREDICTED_SPLITS[0]),
    )
    .addOption(
      new Option('--format <format>', 'how to print them')
        .choices(PREDICTION_FORMATS)
        .default(PREDICTION_FORMATS[0]),
    )
    .addOption(new Option('--limit <n>', 'the first so many sequences').argParser(parseCount))
    .addOption(backendOption())
    .addOption(threadsOption())
    .action(async (run: string, { checkpoint, weights, split, format, limit, backend, threads }: Flags) => {
      const { predict } = await import('./predict.js');
      finish(await predict(run, { checkpoint, weights, split, format, limit, backend, threads }, io));
    });
}
