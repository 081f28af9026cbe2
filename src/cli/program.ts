/** The command line as a whole: its verbs and their flags. Each verb's module is loaded only when it is called. */
import { Command, CommanderError } from 'commander';
import { EXIT, type ExitCode, usageError } from '../util/errors.js';
import { jsonOption, type Shell, verb, withSharedFlags } from './flags.js';
import { explainedCommand } from './help.js';
import { verbMeant, withAssignments } from './short-forms.js';
import { addSweep } from './sweep/verbs.js';
import type { Io } from './terminal/io.js';
import { addCompare } from './verbs/compare-verb.js';
import { addCompletion } from './verbs/completion-verb.js';
import { addConfig, addData, addGraph, addSchema, addValidate } from './verbs/config-verbs.js';
import { addExport } from './verbs/export-verb.js';
import { addInit } from './verbs/init-verb.js';
import { addEvaluate, addPredict } from './verbs/model-verbs.js';
import { addReport } from './verbs/report-verb.js';
import { addReview } from './verbs/review-verb.js';
import { addResume, addRun } from './verbs/run-verbs.js';
import { addServe } from './verbs/serve-verb.js';
import { addTag } from './verbs/tag-verb.js';
import { addVerify } from './verbs/verify-verbs.js';
import { addWorker } from './verbs/worker.js';

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
  const words = withAssignments(withVerb(argv, verbsOf(program)), program);
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
    if (error.exitCode !== 0) throw asUsageError(error, expectedVerbs(program, words), words[0]);
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

/** The command line, with what each verb does. */
export function buildProgram(shell: Shell): Command {
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
    addData,
    addConfig,
    addGraph,
    addEvaluate,
    addPredict,
    addSweep,
    addCompare,
    addReview,
    addReport,
    addTag,
    addServe,
    addWorker,
    addExport,
    addSchema,
    addInit,
    addCompletion,
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

function addDoctor(program: Command, { io, finish }: Shell): void {
  verb(program, 'doctor', 'what this machine offers')
    .addOption(jsonOption('what was found'))
    .action(async ({ json = false }: { json?: boolean }) => {
      const { doctor } = await import('./verbs/doctor.js');
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
function asUsageError(error: CommanderError, verbs: string, word: string): Error {
  const [first, ...rest] = error.message.replace(/^error: /, '').split('\n');
  const [message, hint] = first.replace(/\.$/, '').split(/\. (?=Allowed|Expected)/);
  const isVerb = error.code === 'commander.unknownCommand';
  const similar = /Did you mean (?:one of )?(.*)\?/.exec(rest.join(' '))?.[1];
  const suggestion = (isVerb ? verbMeant(word) : undefined) ?? similar;
  const expected = isVerb ? verbs : hint?.replace(/^(Allowed choices are|Expected) /, '');
  return usageError({
    code: `cli/${error.code.replace('commander.', '')}`,
    message,
    ...(expected !== undefined && { expected }),
    ...(suggestion !== undefined && { suggestion }),
  });
}
