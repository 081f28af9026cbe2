/**
 * The command line: its verbs, and how words become a call of a verb. A verb's module is loaded
 * only if the verb is named.
 */
import { Command, CommanderError } from 'commander';
import { EXIT, type ExitCode, usageError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import { commandOf, programName, quoted, verbMeant, withAssignments } from './command/command-line.js';
import { addCommand, type Shell, type Verb, withSharedOptions } from './command/verb.js';
import type { Io } from './terminal/io.js';

interface Entry {
  readonly summary: string;
  /** Absent for a group that only has verbs below it. */
  load?(): Promise<Verb>;
  readonly verbs?: Catalogue;
}

type Catalogue = Readonly<Record<string, Entry>>;

/** All verbs, in the order of the help. */
const VERBS: Catalogue = {
  run: {
    summary: 'train a model, evaluate it and check its gates',
    load: async () => (await import('./verbs/run.js')).verb,
  },
  resume: {
    summary: 'continue a stopped run exactly where it stopped',
    load: async () => (await import('./verbs/resume.js')).verb,
  },
  verify: {
    summary: 'test resuming, backends or gradients on this machine',
    verbs: {
      resume: {
        summary: 'kill and resume runs, and compare every byte with an uninterrupted run',
        load: async () => (await import('./verbs/verify.js')).resume,
      },
      backends: {
        summary: 'train the same steps on several backends, and compare losses and parameters',
        load: async () => (await import('./verbs/verify.js')).backends,
      },
      gradients: {
        summary: 'compare the gradients of the kernels with float64 and finite differences',
        load: async () => (await import('./verbs/verify.js')).gradients,
      },
    },
  },
  validate: {
    summary: 'check configs or sweeps and their data without training',
    load: async () => (await import('./verbs/validate.js')).verb,
  },
  data: {
    summary: 'show the data of a config: counts, lengths, targets, features, examples',
    load: async () => (await import('./verbs/data.js')).verb,
  },
  config: {
    summary: 'print, explain or compare resolved configs',
    verbs: {
      show: {
        summary: 'print a config with all defaults and overrides filled in',
        load: async () => (await import('./verbs/config.js')).show,
      },
      explain: {
        summary: 'print where each value, or the value of one key, comes from',
        load: async () => (await import('./verbs/config.js')).explain,
      },
      diff: {
        summary: 'print the differences between two resolved configs',
        load: async () => (await import('./verbs/config.js')).diff,
      },
    },
  },
  graph: {
    summary: 'print the compiled graph: parameters, kernels, FLOPs and memory',
    load: async () => (await import('./verbs/graph.js')).verb,
  },
  evaluate: {
    summary: "compute a checkpoint's metrics",
    load: async () => (await import('./verbs/evaluate.js')).verb,
  },
  predict: {
    summary: "print a checkpoint's prediction for every sequence, or generate text",
    load: async () => (await import('./verbs/predict.js')).verb,
  },
  sweep: {
    summary: 'train variants of a config and find the best',
    load: async () => (await import('./sweep/sweep.js')).sweep,
    verbs: {
      status: {
        summary: "print a sweep's progress and best trials",
        load: async () => (await import('./sweep/status.js')).status,
      },
      resume: {
        summary: 'continue a stopped sweep exactly where it stopped',
        load: async () => (await import('./sweep/sweep.js')).resume,
      },
      replay: {
        summary: "repeat a sweep's decisions from its results and compare them",
        load: async () => (await import('./sweep/status.js')).replay,
      },
    },
  },
  compare: {
    summary: "compare runs, or list a sweep's trials",
    load: async () => (await import('./verbs/compare.js')).verb,
  },
  review: {
    summary: 'check finished runs against gates and a baseline',
    load: async () => (await import('./verbs/review.js')).verb,
  },
  report: {
    summary: 'write a self-contained HTML report of a run, a sweep or a directory of them',
    load: async () => (await import('./verbs/report.js')).verb,
  },
  tag: {
    summary: 'change or print the tags and notes of runs and sweeps',
    load: async () => (await import('./verbs/tag.js')).verb,
  },
  serve: {
    summary: 'start the live dashboard',
    load: async () => (await import('./verbs/serve.js')).verb,
  },
  worker: {
    summary: 'run trials from a job queue',
    load: async () => (await import('./verbs/worker.js')).verb,
  },
  export: {
    summary: 'export weights for PyTorch, or curves for TensorBoard',
    load: async () => (await import('./verbs/export.js')).verb,
  },
  schema: {
    summary: 'print a JSON Schema',
    load: async () => (await import('./verbs/schema.js')).verb,
  },
  init: {
    summary: 'write a first config and print the next command',
    load: async () => (await import('./verbs/init.js')).verb,
  },
  doctor: {
    summary: "print this machine's hardware, backends and versions",
    load: async () => (await import('./verbs/doctor.js')).verb,
  },
};

/** Includes streams, so that a verb refuses them with a reason. */
const CONFIG_FILE = /\.(ya?ml|json)$|^\/dev\/(stdin|fd\/\d+)$/i;
const HELP = 'help';

/**
 * Runs the verb that `argv` (without node and script) names. Passes on errors of the verb.
 * @throws UserError (exit 2) if the command line is wrong
 */
export async function runCommandLine(argv: readonly string[], io: Io, version: string): Promise<ExitCode> {
  let code: ExitCode = EXIT.done;
  const shell: Shell = {
    io,
    commandLine: argv,
    version,
    finish: finished => {
      code = finished;
    },
  };
  const typed = withVerb(argv, [HELP, ...Object.keys(VERBS)]);
  const program = await buildProgram(shell, typed);
  const words = withAssignments(typed, program);
  if (argv.length === 0) {
    io.err(program.helpInformation({ error: true }));
    return EXIT.usage;
  }
  const explained = explainedCommand(program, words);
  if (explained !== undefined) {
    explained.outputHelp();
    return EXIT.done;
  }
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // A group without a verb: commander has already printed the help.
    if (error.code === 'commander.help' && error.exitCode !== 0) return EXIT.usage;
    if (error.code === 'commander.excessArguments')
      throw unexpectedArgument(commandOf(words, program).command);
    if (error.code === 'commander.unknownOption') {
      const assignment = await assignmentMeant(error.message, words, commandOf(words, program).command);
      if (assignment !== undefined) throw assignment;
    }
    if (error.exitCode !== 0) throw asUsageError(error, expectedVerbs(program, words), words[0]);
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
  const program = withSharedOptions(configure(new Command('cellrun'), shell))
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
  for (const [name, entry] of Object.entries(verbs)) {
    const isNamed = words === undefined || words.includes(name);
    const command = addCommand(
      parent,
      name,
      entry.summary,
      shell,
      isNamed ? await entry.load?.() : undefined,
    );
    if (isNamed) await addVerbs(command, entry.verbs ?? {}, shell, words);
  }
}

/** Commander passes these settings on to commands that are added later. */
function configure(command: Command, { io }: Shell): Command {
  return command
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err, outputError: () => {} })
    .configureHelp({ subcommandTerm: subcommand => subcommand.name() })
    .showSuggestionAfterError(true);
}

/**
 * The command that `help VERB…` asks about, at any depth (`help config show`, `config help show`).
 * Undefined if `argv` does not ask for help. Commander would print the general help for an unknown
 * verb.
 */
function explainedCommand(program: Command, argv: readonly string[]): Command | undefined {
  const words = argv.filter(word => !word.startsWith('-'));
  const at = words.indexOf(HELP);
  const isFlagged = argv.includes('--help') || argv.includes('-h');
  if (isFlagged && at < 0 && argv[0] === words[0] && verbOf(program, words[0]) === undefined)
    throw unknownVerb(words[0], program);
  if (at < 0 || !isGroupPath(program, words.slice(0, at))) return undefined;
  let command = program;
  for (const word of words.toSpliced(at, 1)) {
    if (command.commands.length === 0) break;
    const next = verbOf(command, word);
    if (next === undefined && word !== HELP) throw unknownVerb(word, command);
    command = next ?? command;
  }
  return command;
}

/** True if the words lead to a group. After any other verb, `help` is an argument. */
function isGroupPath(program: Command, words: readonly string[]): boolean {
  let command: Command | undefined = program;
  for (const word of words) command = command && verbOf(command, word);
  return command !== undefined && command.commands.length > 0;
}

function verbOf(command: Command, word: string): Command | undefined {
  return command.commands.find(verb => verb.name() === word);
}

function unknownVerb(word: string, command: Command): Error {
  const names = command.commands.map(verb => verb.name());
  const meant = command.parent === null ? verbMeant(word) : undefined;
  const suggestion = meant ?? nearest(word, names);
  return usageError({
    code: 'cli/unknownCommand',
    message: `unknown command '${word}'`,
    expected: names.join(', '),
    ...(suggestion !== undefined && { suggestion }),
  });
}

/** The alternatives to an unknown verb. */
function expectedVerbs(program: Command, words: readonly string[]): string {
  const first = words.find(word => !word.startsWith('-'));
  const below = (first && verbOf(program, first)?.commands) || [];
  if (below.length > 0) return below.map(command => command.name()).join(', ');
  return 'a verb (see --help), or a config file ending in .yaml, .yml or .json';
}

/** A key of a config, without a value. */
const KEY = /^[A-Za-z_][\w-]*(\.[\w-]+)+$/;

/** The first argument that `command` has no use for. */
function unexpectedArgument(command: Command): Error {
  const { registeredArguments, args } = command;
  const word = args[registeredArguments.length];
  const code = 'cli/excessArguments';
  const hasSet = command.options.some(({ long }) => long === '--set');
  if (hasSet && KEY.test(word))
    return usageError({ code, message: 'the value is missing', file: word, expected: `${word}=VALUE` });
  const usage = registeredArguments.map(one => (one.required ? `<${one.name()}>` : `[${one.name()}]`));
  return usageError({
    code,
    message: `unexpected argument '${word}'`,
    expected: `${command.name()} ${usage.join(' ')}`.trim(),
  });
}

/** The error for an option that names a key of the config, such as `--lr 0.1`. */
async function assignmentMeant(
  message: string,
  words: readonly string[],
  { options }: Command,
): Promise<Error | undefined> {
  const [, option, name] = /unknown option '(--([\w-]+))(?:=.*)?'(?!.*Did you mean)/s.exec(message) ?? [];
  if (name === undefined || !options.some(({ long }) => long === '--set')) return undefined;
  const [{ findElsewhere }, { experimentSchema }] = await Promise.all([
    import('../config/suggest.js'),
    import('../config/schema/walk.js'),
  ]);
  const found = findElsewhere(name, experimentSchema());
  const [key] = found.toSorted((a, b) => a.path.length - b.path.length);
  if (key === undefined) return undefined;
  const at = words.findIndex(word => word === option || word.startsWith(`${option}=`));
  const value = words[at] === option ? words[at + 1] : words[at]?.slice(option.length + 1);
  return usageError({
    code: 'cli/unknownOption',
    message: `unknown option '${option}'`,
    suggestion: `${key.path.join('.')}=${value === undefined || value.startsWith('-') ? 'VALUE' : value}`,
  });
}

/** Turns commander's message into a diagnostic. */
function asUsageError(error: CommanderError, verbs: string, word: string): Error {
  const [first, ...rest] = error.message.replace(/^error: /, '').split('\n');
  const [message, hint] = first.replace(/\.$/, '').split(/\. (?=Allowed|Expected)/);
  const missing = /^option '(?:-\w, )?(--[\w-]+) (.*)' argument missing$/.exec(message);
  if (missing)
    return usageError({
      code: 'cli/optionMissingArgument',
      message: 'the value is missing',
      file: missing[1],
      expected: missing[2],
    });
  const isVerb = error.code === 'commander.unknownCommand';
  const similar = /Did you mean (?:one of )?(.*)\?/.exec(rest.join(' '))?.[1];
  const isData = isVerb && /\.(csv|tsv|parquet|txt)(\.gz)?$/i.test(word);
  const meant = isData
    ? `${programName(process.argv, process.env)} init --from ${quoted(word)}`
    : isVerb
      ? verbMeant(word)
      : undefined;
  const suggestion = meant ?? similar;
  const expected = isVerb ? verbs : hint?.replace(/^(Allowed choices are|Expected) /, '');
  return usageError({
    code: `cli/${error.code.replace('commander.', '')}`,
    message,
    ...(expected !== undefined && { expected }),
    ...(suggestion !== undefined && { suggestion }),
  });
}
