/** The verb `compare` and its flags. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { MetricName } from '../../config/experiment.js';
import { METRICS } from '../../config/rules/metrics.js';
import { jsonFormatOption, type Shell, verb } from '../flags.js';
import { parseCount } from '../options.js';
import type { CompareFlags } from './compare.js';

/** Restated, so that `--help` need not load what reads runs; the type holds both equal. */
const FORMATS = ['text', 'csv', 'json', 'markdown'] as const satisfies readonly CompareFlags['format'][];

const HELP = `
Each argument is a side: a run directory, the folder of an experiment, or a sweep. Its runs that differ in nothing but the seed are replicates; runs of other
configs are sides of their own. The other sides are compared with the first, seed by seed. One sweep alone is listed trial by trial,
best first: trials that were trained for more epochs before those with fewer, whatever their values, for a value after fewer epochs is another measure.
`;

type Flags = Partial<Omit<CompareFlags, 'format' | 'metrics' | 'curves'>> & {
  readonly format: CompareFlags['format'];
  readonly json?: boolean;
  readonly metric: MetricName[];
  readonly curves?: readonly string[] | boolean;
};

export function addCompare(program: Command, { io, finish }: Shell): void {
  verb(
    program,
    'compare <path...>',
    'what differs between runs, and whether their results do; the trials of a sweep',
  )
    .addOption(
      new Option('--metric <name>', 'only this metric (repeatable)')
        .argParser(parseMetric)
        .default([], 'all that were measured'),
    )
    .addOption(new Option('--only-changed', 'only what differs (the default)').conflicts('all'))
    .option('--all', 'also what does not differ')
    .addOption(
      new Option('--curves <name>', 'draw this curve, such as grad_norm (repeatable)').argParser(
        (name: string, before: readonly string[] | boolean) =>
          Array.isArray(before) ? [...before, name] : [name],
      ),
    )
    .option('--no-curves', 'draw no learning curves')
    .addOption(
      new Option(
        '--sort <column>',
        'trials: by a column, with a hyphen before it downwards (default: best first)',
      ),
    )
    .addOption(new Option('--min <value>', 'trials: whose objective is at least this').argParser(parseNumber))
    .addOption(new Option('--max <value>', 'trials: whose objective is at most this').argParser(parseNumber))
    .addOption(new Option('--top <n>', 'trials: only the first of the table').argParser(parseCount))
    .addOption(new Option('--format <format>', 'how to print it').choices(FORMATS).default('text'))
    .addOption(jsonFormatOption())
    .addHelpText('after', HELP)
    .action(async (paths: string[], { json, format, metric, all = false, ...flags }: Flags) => {
      const { compare } = await import('./compare.js');
      const { sort, min, max, top, curves = true } = flags;
      finish(
        compare(
          paths,
          { format: json ? 'json' : format, metrics: metric, all, curves, sort, min, max, top },
          io,
        ),
      );
    });
}

function parseMetric(text: string, before: readonly string[]): string[] {
  if (METRICS.some(metric => metric === text)) return [...new Set([...before, text])];
  throw new InvalidArgumentError(`Expected one of ${METRICS.join(', ')}.`);
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('Expected a number.');
}
