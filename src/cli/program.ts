/**
 * The command line: its verbs, and how words become a call of a verb. A verb's module is loaded
 * only if the verb is named.
 */
import { Command, CommanderError } from 'commander';
import { type Diagnostic, EXIT, type ExitCode, usageError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import { quoted } from '../util/words.js';
import { commandOf, programName, verbMeant, withAssignments } from './command/command-line.js';
import { addCommand, type Shell, type Verb, withSharedOptions } from './command/verb.js';
import type { Io } from './terminal/io.js';

interface Entry {
  readonly summary: string;
  /** Absent for a group that only has verbs below it. */
  load?(): Promise<Verb>;
  readonly verbs?: Catalogue;
}

type Catalogue = Readonly<Record<string, Entry>>;

/** @param name the export of the module */
function verb<K extends string = 'verb'>(
  summary: string,
  load: () => Promise<{ readonly [name in NoInfer<K>]: Verb }>,
  name = 'verb' as K,
): Entry {
  return { summary, load: async () => (await load())[name] };
}

/** @param verbs the summaries of the verbs that a module exports */
function group<K extends string>(
  summary: string,
  load: () => Promise<{ readonly [name in NoInfer<K>]: Verb }>,
  verbs: Readonly<Record<K, string>>,
): Entry {
  const parts = (Object.keys(verbs) as K[]).map(name => [name, verb(verbs[name], load, name)]);
  return { summary, verbs: Object.fromEntries(parts) };
}

const sweepVerbs = () => import('./verbs/sweep.js');
const statusVerbs = () => import('./verbs/sweep-status.js');
const configVerbs = () => import('./verbs/config.js');

const VERBS: Catalogue = {
  run: verb('train a model, evaluate it and check its gates', () => import('./verbs/run.js')),
  resume: verb('continue a stopped run exactly where it stopped', () => import('./verbs/resume.js')),
  verify: group('test resuming, backends or gradients on this machine', () => import('./verbs/verify.js'), {
    resume: 'kill and resume runs, and compare every byte with an uninterrupted run',
    backends: 'train the same steps on several backends, and compare losses and parameters',
    gradients: 'compare the gradients of the kernels with float64 and finite differences',
  }),
  validate: verb('check configs or sweeps and their data without training', configVerbs, 'validate'),
  data: verb(
    'show the data of a config: counts, lengths, targets, features, examples',
    () => import('./verbs/data.js'),
  ),
  config: group('print, explain or compare resolved configs', configVerbs, {
    show: 'print a config with all defaults and overrides filled in',
    explain: 'print where each value, or the value of one key, comes from',
    diff: 'print the differences between two resolved configs',
  }),
  graph: verb(
    'print the compiled graph: parameters, kernels, FLOPs and memory',
    () => import('./verbs/graph.js'),
  ),
  evaluate: verb("compute a checkpoint's metrics", () => import('./verbs/evaluate.js')),
  predict: verb(
    "print a checkpoint's prediction for every sequence, or generate text",
    () => import('./verbs/predict.js'),
  ),
  explain: verb("measure what a run's predictions rest on", () => import('./verbs/explain.js')),
  sweep: {
    ...verb('train variants of a config and find the best', sweepVerbs, 'sweep'),
    verbs: {
      status: verb("print a sweep's progress and best trials", statusVerbs, 'status'),
      resume: verb('continue a stopped sweep exactly where it stopped', sweepVerbs, 'resume'),
      replay: verb("repeat a sweep's decisions from its results and compare them", statusVerbs, 'replay'),
    },
  },
  compare: verb("compare runs, or list a sweep's trials", () => import('./verbs/compare.js')),
  review: verb('check finished runs against gates and a baseline', () => import('./verbs/review.js')),
  report: verb(
    'write a self-contained HTML report of a run, a sweep or a directory of them',
    () => import('./verbs/report.js'),
  ),
  tag: verb('change or print the tags and notes of runs and sweeps', () => import('./verbs/tag.js')),
  serve: verb('start the live dashboard, or a service that predicts', () => import('./verbs/serve.js')),
  worker: verb('run trials from a job queue', () => import('./verbs/worker.js')),
  web: verb('write a web site that trains configs in the browser', () => import('./verbs/web.js')),
  export: verb(
    'export models and weights for other programs, or curves for TensorBoard',
    () => import('./verbs/export.js'),
  ),
  schema: verb('print a JSON Schema', configVerbs, 'schema'),
  init: verb('write a first config and print the next command', () => import('./verbs/init.js')),
  doctor: verb("print this machine's hardware, backends and versions", () => import('./verbs/doctor.js')),
};

/** Includes streams, so that a verb refuses them with a reason. */
const CONFIG_FILE = /\.(ya?ml|json)$|^\/dev\/(stdin|fd\/\d+)$/i;
const HELP = 'help';

/** Runs the verb that `argv` (without node and script) names. Passes on errors of the verb. */
export async function runCommandLine(argv: readonly string[], io: Io, version: string): Promise<ExitCode> {
  let code: ExitCode = EXIT.done;
  const finish = (finished: ExitCode) => {
    code = finished;
  };
  const typed = withVerb(argv, [HELP, ...Object.keys(VERBS)]);
  const program = await buildProgram({ io, commandLine: argv, version, finish }, typed);
  if (argv.length === 0) {
    io.err(program.helpInformation({ error: true }));
    return EXIT.usage;
  }
  const words = withHelp(withAssignments(typed, program), program);
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // A group without a verb: commander has already printed the help.
    if (error.code === 'commander.help' && error.exitCode !== 0) return EXIT.usage;
    if (error.exitCode !== 0) throw await asUsageError(error, program, words);
  }
  return code;
}

/** `FILE.yaml …` is short for `run FILE.yaml …`, also with options before the file. */
export function withVerb(argv: readonly string[], verbs: readonly string[]): string[] {
  const file = argv.findIndex(word => CONFIG_FILE.test(word));
  const before = argv.slice(0, Math.max(0, file));
  const isShort =
    file === 0 || (file > 0 && argv[0].startsWith('-') && !before.some(word => verbs.includes(word)));
  return isShort ? ['run', ...argv] : [...argv];
}

/**
 * Builds the commands of the program. Adds the arguments, options and action of a verb only if its
 * name is one of the `words`, or if `words` is undefined.
 */
export async function buildProgram(shell: Shell, words?: readonly string[]): Promise<Command> {
  const { out, err } = shell.io;
  // commander passes these settings on to commands that are added later
  const program = withSharedOptions(new Command('cellrun'))
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err, outputError: () => {} })
    .configureHelp({ subcommandTerm: subcommand => subcommand.name() })
    .showSuggestionAfterError(true)
    .description(
      'Train recurrent networks from a config file.\n`cellrun FILE.yaml` is short for `cellrun run FILE.yaml`.',
    )
    // an option belongs to the verb that it follows; otherwise `sweep` would take those of `sweep
    // resume`
    .enablePositionalOptions()
    .version(shell.version, '-V, --version', 'print the version')
    .helpCommand(`${HELP} [verb]`, 'show the help of a verb')
    .helpOption('-h, --help', 'show this help');
  await addVerbs(program, VERBS, shell, words);
  return program;
}

async function addVerbs(
  parent: Command,
  verbs: Catalogue,
  shell: Shell,
  words: readonly string[] | undefined,
): Promise<void> {
  for (const [name, { summary, load, verbs: below = {} }] of Object.entries(verbs)) {
    const isNamed = words === undefined || words.includes(name);
    const command = addCommand(parent, name, summary, shell, isNamed ? await load?.() : undefined);
    if (isNamed) await addVerbs(command, below, shell, words);
  }
}

/**
 * `help config show` and `config help show` mean `config show --help`. Commander would print the
 * general help for an unknown verb.
 */
function withHelp(words: readonly string[], program: Command): readonly string[] {
  const plain = words.filter(word => !word.startsWith('-'));
  const at = plain.indexOf(HELP);
  const before = commandOf(plain.slice(0, at), program);
  // after a verb that is no group, `help` is an argument
  const isAsked = at >= 0 && before.depth === at && before.command.commands.length > 0;
  const isFlagged = words.includes('--help') || words.includes('-h');
  const named = isAsked ? plain.toSpliced(at, 1) : plain;
  const { command, depth } = commandOf(named, program);
  const names = namesBelow(command);
  if (names.length > 0 && depth < named.length && (isAsked || (isFlagged && depth === 0))) {
    const word = named[depth];
    throw usageError('cli/unknownCommand', `unknown command '${word}'`, {
      expected: names.join(', '),
      suggestion: (depth === 0 ? verbMeant(word) : undefined) ?? nearest(word, names),
    });
  }
  return isAsked ? [...named, '--help'] : words;
}

function namesBelow(command: Command): string[] {
  return command.commands.map(verb => verb.name());
}

async function asUsageError(
  { code, message: full }: CommanderError,
  program: Command,
  words: readonly string[],
): Promise<Error> {
  const plain = words.filter(word => !word.startsWith('-'));
  const { command } = commandOf(plain, program);
  const [first, ...rest] = full.replace(/^error: /, '').split('\n');
  const corrected = {
    'commander.unknownCommand': () => unknownWord(command, plain[0]),
    'commander.unknownOption': () => keyMeant(first, words, command),
    'commander.excessArguments': () => unexpectedArgument(command),
  }[code];
  return usageError(`cli/${code.replace('commander.', '')}`, first.replace(/\.$/, ''), {
    suggestion: /Did you mean (?:one of )?(.*)\?/.exec(rest.join(' '))?.[1],
    ...(await corrected?.()),
  });
}

type Correction = Partial<Diagnostic>;

function unknownWord(command: Command, word: string): Correction {
  if (command.parent !== null) return { expected: namesBelow(command).join(', ') };
  const isData = /\.(csv|tsv|parquet|txt)(\.gz)?$/i.test(word);
  const init = `${programName(process.argv, process.env)} init --from ${quoted(word)}`;
  const suggestion = isData ? init : verbMeant(word);
  const expected = 'a verb (see --help), or a config file ending in .yaml, .yml or .json';
  return { expected, ...(suggestion !== undefined && { suggestion }) };
}

function unexpectedArgument(command: Command): Correction {
  const { registeredArguments, args } = command;
  const usage = registeredArguments.map(registeredArgument =>
    registeredArgument.required ? `<${registeredArgument.name()}>` : `[${registeredArgument.name()}]`,
  );
  return {
    message: `unexpected argument '${args[registeredArguments.length]}'`,
    expected: [command.name(), ...usage].join(' '),
  };
}

/** An option may mean a key of the config, such as `--lr 0.1`. */
async function keyMeant(
  message: string,
  words: readonly string[],
  { options }: Command,
): Promise<Correction | undefined> {
  const [, option, name] = /'(--([\w-]+))/.exec(message) ?? [];
  if (name === undefined || !options.some(({ long }) => long === '--set')) return undefined;
  const { findElsewhere } = await import('../config/schema-errors.js');
  const [key] = findElsewhere(name).toSorted((a, b) => a.path.length - b.path.length);
  if (key === undefined) return undefined;
  const at = words.findIndex(word => word === option || word.startsWith(`${option}=`));
  const value = words[at] === option ? words[at + 1] : words[at]?.slice(option.length + 1);
  const given = value === undefined || value.startsWith('-') ? 'VALUE' : value;
  return { message: `unknown option '${option}'`, suggestion: `${key.path.join('.')}=${given}` };
}
