/** The command line as a whole: its verbs and their flags. Each verb's module is loaded only when it is called. */
import { Argument, Command, CommanderError, Option } from 'commander';
import { EXIT, type ExitCode, usageError } from '../errors.js';
import { addExport } from './export-verb.js';
import {
  backendOption,
  jsonOption,
  outputOption,
  pauseOption,
  quietOption,
  type Shell,
  setOption,
  threadsOption,
  verb,
  withSharedFlags,
} from './flags.js';
import { explainedCommand } from './help.js';
import type { Io } from './io.js';
import {
  BACKEND_REQUESTS,
  collect,
  type EvaluateOptions,
  GRAPH_FORMATS,
  parseCheckpoint,
  parseFolder,
  type ResumeOptions,
  type RunOptions,
} from './options.js';
import { addCompare, addSweep } from './sweep-verbs.js';
import { addVerify } from './verify-verbs.js';
import { addWorker } from './worker.js';

/** Streams are no config files, but their names are meant as such, and what is read of them is refused with the reason. */
const CONFIG_FILE = /\.(ya?ml|json)$|^\/dev\/(stdin|fd\/\d+)$/i;

/** Reads `argv` (without node and script) and runs its verb. Throws UserError, exit 2 for a command line that is wrong. */
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
  const program = buildProgram(shell);
  if (argv.length === 0) {
    io.err(program.helpInformation({ error: true }));
    return EXIT.usage;
  }
  const words = withVerb(argv, verbsOf(program));
  const explained = await explainedCommand(program, words);
  if (explained !== undefined) {
    explained.outputHelp();
    return EXIT.done;
  }
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // A verb without its sub-verb: commander has already printed the help.
    if (error.code === 'commander.help' && error.exitCode !== 0) return EXIT.usage;
    if (error.exitCode !== 0) throw asUsageError(error, expectedVerbs(program, words));
  }
  return code;
}

/** `FILE.yaml …` is short for `run FILE.yaml …`, also with flags before the file. */
export function withVerb(argv: readonly string[], verbs: readonly string[]): string[] {
  const file = argv.findIndex(word => CONFIG_FILE.test(word));
  const before = argv.slice(0, Math.max(0, file));
  const isShort =
    file === 0 || (file > 0 && argv[0].startsWith('-') && !before.some(word => verbs.includes(word)));
  return isShort ? ['run', ...argv] : [...argv];
}

function verbsOf(program: Command): string[] {
  return ['help', ...program.commands.map(command => command.name())];
}

function buildProgram(shell: Shell): Command {
  const program = withSharedFlags(configure(new Command('cellrun'), shell))
    .description(
      'Train recurrent networks from a config file. `cellrun FILE.yaml` is short for `cellrun run FILE.yaml`.',
    )
    // a flag belongs to the verb that it stands behind: else `sweep` would take those of `sweep resume`
    .enablePositionalOptions()
    .version(shell.version, '-V, --version', 'print the version')
    .helpCommand('help [verb]', 'explain a verb')
    .helpOption('-h, --help', 'explain the command line');
  for (const add of [
    addRun,
    addResume,
    addVerify,
    addValidate,
    addConfig,
    addGraph,
    addEvaluate,
    addSweep,
    addCompare,
    addWorker,
    addExport,
    addSchema,
    addDoctor,
  ])
    add(program, shell);
  return program;
}

/** Errors are thrown instead of printed, help goes to where results go. Commander hands both on to verbs made later. */
function configure(command: Command, { io }: Shell): Command {
  return command
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err, outputError: () => {} })
    .showSuggestionAfterError(true);
}

function addRun(program: Command, { io, commandLine, finish }: Shell): void {
  type Flags = Pick<RunOptions, 'set' | 'backend' | 'output'> & {
    threads?: number;
    directory?: string;
    pauseAfterEpoch?: number;
    json?: boolean;
    quiet?: boolean;
  };
  verb(program, 'run <config>', 'train, evaluate, judge the gates, write the run directory')
    .addOption(setOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(outputOption('where experiments are written'))
    .addOption(
      new Option(
        '--directory <dir>',
        'the run directory itself; where the run has begun there, go on with it',
      ).argParser(parseFolder),
    )
    .addOption(pauseOption())
    .addOption(jsonOption('the summary'))
    .addOption(quietOption())
    .action(async (config: string, flags: Flags) => {
      const {
        set,
        backend,
        threads,
        output,
        directory,
        pauseAfterEpoch,
        json = false,
        quiet = false,
      } = flags;
      const { run } = await import('./run.js');
      finish(
        await run(
          config,
          { set, backend, threads, output, directory, pauseAfterEpoch, json, quiet, commandLine },
          io,
        ),
      );
    });
}

function addResume(program: Command, { io, commandLine, finish }: Shell): void {
  type Flags = Pick<ResumeOptions, 'set' | 'allowChange'> & {
    backend?: ResumeOptions['backend'];
    threads?: number;
    strict?: boolean;
    pauseAfterEpoch?: number;
    json?: boolean;
    quiet?: boolean;
  };
  verb(program, 'resume <run>', 'go on exactly where a run stopped')
    .addOption(setOption())
    .addOption(
      new Option('--allow-change <key>', 'go on though this changed and alters the results (repeatable)')
        .argParser(collect)
        .default([], 'none'),
    )
    .addOption(
      new Option('--backend <name>', 'what runs the kernels (default: what the run began with)').choices(
        BACKEND_REQUESTS,
      ),
    )
    .addOption(threadsOption())
    .option('--strict', 'fail on a damaged checkpoint instead of taking the one before')
    .addOption(pauseOption())
    .addOption(jsonOption('the summary'))
    .addOption(quietOption())
    .action(async (run: string, flags: Flags) => {
      const {
        set,
        allowChange,
        backend,
        threads,
        pauseAfterEpoch,
        strict = false,
        json = false,
        quiet = false,
      } = flags;
      const { resume } = await import('./run.js');
      finish(
        await resume(
          run,
          { set, allowChange, backend, threads, pauseAfterEpoch, strict, json, quiet, commandLine },
          io,
        ),
      );
    });
}

function addValidate(program: Command, { io, finish }: Shell): void {
  verb(program, 'validate <config...>', 'check everything that can be checked without training')
    .addOption(setOption())
    .addOption(
      new Option('--format <format>', 'how to report').choices(['text', 'json', 'github']).default('text'),
    )
    .option('--json', 'short for --format json')
    .action(
      async (
        configs: string[],
        options: { set: string[]; format: 'text' | 'json' | 'github'; json?: boolean },
      ) => {
        const { validate } = await import('./validate.js');
        finish(
          await validate(configs, { set: options.set, format: options.json ? 'json' : options.format }, io),
        );
      },
    );
}

function addConfig(program: Command, { io, finish }: Shell): void {
  const config = verb(
    program,
    'config',
    'the resolved config, where its values came from, and what differs between two',
  );
  verb(config, 'show <config>', 'print the config with every default and override filled in')
    .addOption(setOption())
    .option('--json', 'as JSON instead of YAML')
    .action(async (file: string, { set, json = false }: { set: string[]; json?: boolean }) => {
      const { configShow } = await import('./config.js');
      finish(await configShow(file, { set, json }, io));
    });
  verb(config, 'explain <config> [key]', 'say where a value, or every value, came from')
    .addOption(setOption())
    .option('--json', 'as JSON')
    .action(
      async (
        file: string,
        key: string | undefined,
        { set, json = false }: { set: string[]; json?: boolean },
      ) => {
        const { configExplain } = await import('./config.js');
        finish(await configExplain(file, key, { set, json }, io));
      },
    );
  verb(config, 'diff <a> <b>', 'what differs between two configs once they are resolved')
    .addOption(setOption())
    .option('--json', 'as JSON')
    .action(async (a: string, b: string, { set, json = false }: { set: string[]; json?: boolean }) => {
      const { configDiff } = await import('./config.js');
      finish(await configDiff([a, b], { set, json }, io));
    });
}

function addGraph(program: Command, { io, finish }: Shell): void {
  type Flags = {
    set: string[];
    backend: RunOptions['backend'];
    threads?: number;
    format: (typeof GRAPH_FORMATS)[number];
    json?: boolean;
    emit?: string;
  };
  verb(program, 'graph <config>', 'the compiled graph: nodes, shapes, parameters, FLOPs, kernels, memory')
    .addOption(setOption())
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(new Option('--format <format>', 'how to print it').choices(GRAPH_FORMATS).default('text'))
    .option('--json', 'short for --format json')
    .option('--emit <kernel>', "print one kernel's source and the WebAssembly made of it")
    .action(async (config: string, { json, set, backend, threads, format, emit }: Flags) => {
      const { graph } = await import('./graph.js');
      finish(await graph(config, { set, backend, threads, format: json ? 'json' : format, emit }, io));
    });
}

function addEvaluate(program: Command, { io, finish }: Shell): void {
  type Flags = Pick<EvaluateOptions, 'checkpoint' | 'backend'> & {
    threads?: number;
    json?: boolean;
    quiet?: boolean;
  };
  verb(program, 'evaluate <run>', 'the metrics of a run directory, from one of its checkpoints')
    .addOption(
      new Option('--checkpoint <which>', "'last', 'best' or the number of a step")
        .argParser(parseCheckpoint)
        .default('last'),
    )
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(jsonOption('the result'))
    .addOption(quietOption())
    .action(async (run: string, { checkpoint, backend, threads, json = false, quiet = false }: Flags) => {
      const { evaluate } = await import('./evaluate.js');
      finish(await evaluate(run, { checkpoint, backend, threads, json, quiet }, io));
    });
}

function addSchema(program: Command, { io, finish }: Shell): void {
  verb(program, 'schema', 'print a JSON Schema')
    .addArgument(new Argument('[name]', 'which one').default('experiment'))
    .option('--list', 'name all schemas instead')
    .action(async (name: string, { list = false }: { list?: boolean }) => {
      const { schema } = await import('./schema.js');
      finish(schema(name, { list }, io));
    });
}

function addDoctor(program: Command, { io, finish }: Shell): void {
  verb(program, 'doctor', 'what this machine offers')
    .addOption(jsonOption('what was found'))
    .action(async ({ json = false }: { json?: boolean }) => {
      const { doctor } = await import('./doctor.js');
      finish(await doctor({ json }, io));
    });
}

/** What may stand where a verb is not known: below the verb that the words begin with, if that has verbs of its own. */
function expectedVerbs(program: Command, words: readonly string[]): string {
  const first = words.find(word => !word.startsWith('-'));
  const below = program.commands.find(command => command.name() === first)?.commands ?? [];
  if (below.length > 0) return below.map(command => command.name()).join(', ');
  return 'a verb (see --help), or a config file ending in .yaml, .yml or .json';
}

/** Commander's complaint, taken apart into ours. */
function asUsageError(error: CommanderError, verbs: string): Error {
  const [first, ...rest] = error.message.replace(/^error: /, '').split('\n');
  const [message, hint] = first.replace(/\.$/, '').split(/\. (?=Allowed|Expected)/);
  const suggestion = /Did you mean (?:one of )?(.*)\?/.exec(rest.join(' '))?.[1];
  const isVerb = error.code === 'commander.unknownCommand';
  const expected = isVerb ? verbs : hint?.replace(/^(Allowed choices are|Expected) /, '');
  return usageError({
    code: `cli/${error.code.replace('commander.', '')}`,
    message,
    ...(expected !== undefined && { expected }),
    ...(suggestion !== undefined && { suggestion }),
  });
}
