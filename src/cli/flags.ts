/** What verbs are made of: the flags that several of them have, and what every verb is given. */

import { type Command, Option } from 'commander';
import type { WeightsName } from '../training/step/weights.js';
import { type ExitCode, usageError } from '../util/errors.js';
import {
  BACKEND_REQUESTS,
  collect,
  type DashboardOption,
  parseCheckpoint,
  parseCount,
  parseFolder,
  parseThreads,
  parseWidth,
} from './options.js';
import type { Io } from './terminal/io.js';

/** What a verb needs of the program that it is part of. */
export interface Shell {
  readonly io: Io;
  readonly commandLine: readonly string[];
  readonly version: string;
  /** Called by the verb that ran. */
  finish(code: ExitCode): void;
}

/** A command with the flags that every verb has. */
export function verb(parent: Command, usage: string, description: string): Command {
  return withSharedFlags(parent.command(usage).description(description))
    .enablePositionalOptions()
    .hook('preSubcommand', refuseMisplaced)
    .helpOption('-h, --help', 'explain this verb');
}

/** A flag between a verb and the one below it is the first one's, which does nothing with it then. */
function refuseMisplaced(above: Command, below: Command): void {
  const misplaced = above.options.find(
    option =>
      above.getOptionValueSource(option.attributeName()) === 'cli' && !ANYWHERE.includes(option.long ?? ''),
  );
  if (misplaced === undefined) return;
  throw usageError({
    code: 'cli/misplaced-flag',
    message: `${misplaced.long} stands before \`${below.name()}\``,
    expected: `the flags of \`${above.name()} ${below.name()}\` after it`,
  });
}

const ANYWHERE: readonly string[] = ['--no-color', '--verbose'];

/** `main.ts` looks for these itself, before anything can fail; here they are made known. */
export function withSharedFlags(command: Command): Command {
  return command.option('--no-color', 'no colour').option('--verbose', 'stack traces of unexpected failures');
}

export function setOption(): Option {
  return new Option(
    '--set <key.path=value>',
    'override a value of the config (repeatable); `run` takes key.path=value without --set, too',
  )
    .argParser(collect)
    .default([], 'none');
}

/** @param subject what is tagged */
export function tagOption(subject: 'run' | 'sweep'): Option {
  return new Option('--tag <tag>', `a tag for the ${subject}, which \`tag\` can change later (repeatable)`)
    .argParser(collect)
    .default([], 'none');
}

export function noteOption(subject: 'run' | 'sweep'): Option {
  return new Option('--note <text>', `a note about the ${subject}`);
}

export function backendOption(): Option {
  return new Option('--backend <name>', 'where kernels run').choices(BACKEND_REQUESTS).default('auto');
}

/** Of what goes on with `subject`. */
export function keptBackendOption(subject: string): Option {
  const description = `where kernels run (default: where ${subject} began)`;
  return new Option('--backend <name>', description).choices(BACKEND_REQUESTS);
}

export function threadsOption(): Option {
  return new Option('--threads <n>', 'threads for kernels (default: the program chooses)').argParser(
    parseThreads,
  );
}

export function widthOption(): Option {
  return new Option(
    '--width <bits>',
    'vector width that kernels are compiled for: 128 or 256 (default: the faster one; results are equal)',
  ).argParser(parseWidth);
}

export function checkpointOption(): Option {
  return new Option(
    '--checkpoint <which>',
    "'last', 'best' or the number of a step (default: the weights that the run's final metrics belong to)",
  ).argParser(parseCheckpoint);
}

export function weightsOption(): Option {
  return new Option(
    '--weights <which>',
    'those of the last update, or their average; by default the average if the run keeps one',
  ).choices(['trained', 'average'] satisfies WeightsName[]);
}

/** The output root; `what` of the verb goes there. */
export function outputOption(what: string): Option {
  return new Option('--output <dir>', what).argParser(parseFolder).default('experiments');
}

export function pauseOption(): Option {
  return new Option('--pause-after-epoch <n>', 'stop resumably once so many epochs are done').argParser(
    parseCount,
  );
}

/** `what` is printed. */
export function jsonOption(what: string): Option {
  return new Option('--json', `print ${what} as one JSON document on stdout`);
}

/** Of verbs with a `--format`, which is then not given as well. */
export function jsonFormatOption(): Option {
  return new Option('--json', 'short for --format json').conflicts('format');
}

export function quietOption(): Option {
  return new Option('-q, --quiet', 'no progress on stderr');
}

export interface DashboardFlags {
  readonly dashboard?: boolean;
  readonly keepDashboard?: boolean;
}

/** Adds the flags of verbs that can be watched. */
export function withDashboard(command: Command): Command {
  return command
    .option('--dashboard', 'show the runs live in a browser; prints the address on stderr')
    .option('--keep-dashboard', 'the same, and keep it after the end, until Ctrl-C');
}

export function dashboardOf({ dashboard = false, keepDashboard = false }: DashboardFlags): DashboardOption {
  if (keepDashboard) return 'until a signal';
  return dashboard ? 'until the end' : 'none';
}
