/** The verb `review` and its flags. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { usageError } from '../../util/errors.js';
import { jsonFormatOption, type Shell, verb } from '../flags.js';
import { collect } from '../options.js';
import type { ReviewFlags } from './review.js';

/** Restated, so that `--help` need not load what reads runs; the type holds both equal. */
const FORMATS = [
  'text',
  'json',
  'markdown',
  'github',
  'junit',
] as const satisfies readonly ReviewFlags['format'][];

interface Given {
  readonly gate: readonly string[];
  readonly format: ReviewFlags['format'];
  readonly json?: boolean;
  readonly pin?: string;
  readonly baseline?: string;
  readonly maxDrop?: number;
  readonly maxRegress?: number;
  readonly schema?: boolean;
  readonly recompute?: boolean;
}

export function addReview(program: Command, { io, finish }: Shell): void {
  verb(program, 'review <paths...>', 'judge finished runs from their files, for people and for CI')
    .addOption(
      new Option('--gate <text>', "a further gate: 'test.accuracy >= 0.97 over best' (repeatable)")
        .argParser(collect)
        .default([], 'none'),
    )
    .addOption(new Option('--baseline <file>', 'judge against a file that --pin wrote, and say what moved'))
    .addOption(
      new Option('--max-drop <amount>', 'how much worse than the baseline a test metric may be').argParser(
        parseSlack,
      ),
    )
    .addOption(new Option('--max-regress <share>', 'the same as a share, such as 0.05').argParser(parseSlack))
    .addOption(new Option('--pin <file>', 'write the baseline of these runs'))
    .addOption(new Option('--format <format>', 'how to report').choices(FORMATS).default('text'))
    .addOption(jsonFormatOption())
    .option('--recompute', 'evaluate the final weights again, and compare')
    .option('--schema', 'check files against their schemas instead: logs, run directories, sweeps')
    .addHelpText('after', HELP)
    .action(async (paths: string[], given: Given) => {
      const { githubPlace } = await import('./review-github.js');
      if (given.schema) {
        refuseWithSchema(given);
        const { reviewSchema } = await import('./review-schema.js');
        const { workspace } = githubPlace(process.env);
        finish(reviewSchema(paths, { format: given.json ? 'json' : given.format, workspace }, io));
        return;
      }
      const { review } = await import('./review.js');
      // what computes is loaded only for whoever asks for it
      const doubts = given.recompute ? await (await import('./recompute.js')).recompute(paths) : undefined;
      const { gate: gates, pin, baseline, maxDrop, maxRegress, format, json } = given;
      finish(
        review(
          paths,
          {
            gates,
            pin,
            baseline,
            max_drop: maxDrop,
            max_regress: maxRegress,
            format: json ? 'json' : format,
            github: githubPlace(process.env),
            doubts,
          },
          io,
        ),
      );
    });
}

/** What judges runs says nothing about files. */
function refuseWithSchema({ gate, pin, baseline, maxDrop, maxRegress, format }: Given): void {
  const judging = {
    '--gate': gate[0],
    '--pin': pin,
    '--baseline': baseline,
    '--max-drop': maxDrop,
    '--max-regress': maxRegress,
  };
  const [option] = Object.entries(judging).find(([, value]) => value !== undefined) ?? [];
  if (option !== undefined)
    throw usageError({
      code: 'cli/schema',
      message: `${option} judges runs, and --schema checks files`,
      file: option,
    });
  if (format === 'markdown' || format === 'junit')
    throw usageError({
      code: 'cli/schema',
      message: `--schema does not report as ${format}`,
      file: '--format',
      expected: 'text, json or github',
    });
}

function parseSlack(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('Expected a number from 0 upwards.');
}

const HELP = `
The files of a run must agree with each other, else it is inconclusive. They can be forged together: compare the SHA-256 of the log with the
one that the run printed, or --recompute.

A path is the directory of a run, of an experiment or of a sweep. A gate is METRIC >= NUMBER or METRIC <= NUMBER, of the last value unless
\`over best\` or \`over seeds\` (the mean of runs that differ in their seed alone) follows. A run that did not complete never passes.

Without --max-drop and --max-regress a test metric fails against a baseline where it is worse by more than its noise: a one-sided test at
5 % (for one run the prediction interval of the baseline's seeds, for several Welch's test). A run with the config, data, code, backend and
seed of a pinned one must have its very value.

Exit codes: 0 all passed, 3 a gate failed or could not be judged, 2 wrong usage, 5 a damaged file.`;
