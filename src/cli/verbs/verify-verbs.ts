/** The verbs of `verify`, each of which proves something of a config on this machine. */
import { type Command, Option } from 'commander';
import {
  backendOption,
  jsonOption,
  outputOption,
  quietOption,
  type Shell,
  setOption,
  threadsOption,
  verb,
} from '../flags.js';
import {
  parseBackends,
  parseCount,
  parseSeed,
  type VerifyBackendsOptions,
  type VerifyGradientsOptions,
  type VerifyResumeOptions,
} from '../options.js';
import { BACKENDS_HELP, GRADIENTS_HELP } from './verify-help.js';

/** What commander gives: it leaves out what was not given and has no default. */
type Given<T extends Proven, K extends keyof T> = Omit<T, K | keyof Proven> &
  Partial<Pick<T, K | keyof Proven>>;

type Proven = Pick<VerifyResumeOptions, 'threads' | 'json' | 'quiet'>;

function complete({ threads, json = false, quiet = false }: Partial<Proven>): Proven {
  return { threads, json, quiet };
}

export function addVerify(program: Command, shell: Shell): void {
  const verify = verb(program, 'verify', 'prove it on this machine');
  addResume(verify, shell);
  addBackends(verify, shell);
  addGradients(verify, shell);
}

/** The flags that all of them have. */
function proving(verify: Command, usage: string, description: string): Command {
  return verb(verify, usage, description)
    .addOption(setOption())
    .addOption(threadsOption())
    .addOption(outputOption('the output root, under which the proof is written'))
    .addOption(jsonOption('the proof'))
    .addOption(quietOption());
}

function addResume(verify: Command, { io, finish }: Shell): void {
  proving(verify, 'resume <config>', 'kill runs of a config, resume them, compare every byte')
    .addOption(backendOption())
    .addOption(new Option('--kills <n>', 'how often to kill').argParser(parseCount).default(6))
    .addOption(new Option('--seed <n>', 'decides when to kill').argParser(parseSeed).default(0))
    .action(async (config: string, flags: Given<VerifyResumeOptions, never>) => {
      const { verifyResumeOf } = await import('./verify-resume.js');
      finish(await verifyResumeOf(config, { ...flags, ...complete(flags) }, io));
    });
}

function addBackends(verify: Command, { io, finish }: Shell): void {
  proving(verify, 'backends <config>', 'make the same steps on several backends, compare loss and parameters')
    .addOption(
      new Option(
        '--backends <names>',
        'which, with commas between (default: cpu, webasm, and webgpu if hardware)',
      ).argParser(parseBackends),
    )
    .addOption(new Option('--steps <n>', 'optimizer steps on each').argParser(parseCount).default(20))
    .addHelpText('after', BACKENDS_HELP)
    .action(async (config: string, flags: Given<VerifyBackendsOptions, 'backends'>) => {
      const { backends } = flags;
      const { verifyBackendsOf } = await import('./verify-backends.js');
      finish(await verifyBackendsOf(config, { ...flags, ...complete(flags), backends }, io));
    });
}

function addGradients(verify: Command, { io, finish }: Shell): void {
  proving(verify, 'gradients <config>', 'compare the compiled gradient with float64 and with differences')
    .addOption(backendOption())
    .addOption(
      new Option('--rows <n>', 'sequences of the first batch that count (default: 4, or fewer)').argParser(
        parseCount,
      ),
    )
    .addOption(
      new Option('--seed <n>', 'decides the directions of the differences').argParser(parseSeed).default(0),
    )
    .addHelpText('after', GRADIENTS_HELP)
    .action(async (config: string, flags: Given<VerifyGradientsOptions, 'rows'>) => {
      const { rows } = flags;
      const { verifyGradientsOf } = await import('./verify-gradients.js');
      finish(await verifyGradientsOf(config, { ...flags, ...complete(flags), rows }, io));
    });
}
