/**
 * Declarations of verbs: arguments, options, help and action, whose types are inferred from them;
 * and the options that several verbs share.
 */
import { type Command, Option } from 'commander';
import { BACKEND_REQUESTS, type BackendRequest } from '../../engine/backend-names.js';
import type { Width } from '../../engine/width.js';
import type { WeightsName, WhichCheckpoint } from '../../train/weights.js';
import { type Diagnostic, type ExitCode, usageError, usageErrors } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import type { Io } from '../terminal/io.js';

export interface Shell {
  readonly io: Io;
  readonly commandLine: readonly string[];
  readonly version: string;
  finish(code: ExitCode): void;
}

export interface Settings {
  readonly parse?: (text: string) => unknown;
  readonly expected?: string;
  readonly isRepeatable?: boolean;
  readonly choices?: readonly string[];
  readonly default?: unknown;
  /** The value of an absent option that has no default; not shown in the help. */
  readonly absent?: unknown;
  readonly short?: string;
  /** The environment variable that has the value otherwise; without both, the call is refused. */
  readonly env?: string;
  /** Keys of options. */
  readonly conflicts?: readonly string[];
  readonly requires?: string;
}

type AlwaysSet = { readonly default: unknown } | { readonly env: string };

/** An option of a verb, named by its key in `options`. Actions receive a value of type `T`. */
export class VerbOption<T> {
  declare readonly type: T;

  /** @param argument placeholder of the value, such as `<n>`; empty for a flag */
  constructor(
    private readonly argument: string,
    private readonly description: string,
    readonly settings: Settings = {},
  ) {}

  with<S extends Settings>(settings: S): VerbOption<S extends AlwaysSet ? NonNullable<T> : T> {
    return new VerbOption(this.argument, this.description, { ...this.settings, ...settings });
  }

  default(value: NonNullable<T>): VerbOption<NonNullable<T>> {
    return this.with({ default: value });
  }

  toCommander(key: string): Option {
    const { parse, choices, isRepeatable, short, env, conflicts = [], ...settings } = this.settings;
    const name = flagOf(key);
    const option = new Option(
      `${short ? `${short}, ` : ''}${name} ${this.argument}`.trimEnd(),
      this.description,
    );
    option.default(settings.default).conflicts([...conflicts]);
    if (env !== undefined) option.env(env).makeOptionMandatory();
    if (choices !== undefined) option.choices(choices);
    if (choices === undefined && parse === undefined && !isRepeatable) return option;
    const { expected = `one of ${choices?.join(', ')}` } = settings;
    // replaces that of `choices`
    return option.argParser((text, previous: unknown) => {
      const value = choices?.includes(text) === false ? undefined : parse ? parse(text) : text;
      if (value === undefined) {
        // `gpu` means webgpu rather than cpu
        const longer = choices?.find(possible => text.length > 2 && possible.includes(text));
        throw usageError('cli/invalidArgument', `invalid value '${text}'`, {
          file: env === undefined ? name : `${name} or ${env}`,
          expected,
          suggestion: longer ?? nearest(text, choices ?? []),
        });
      }
      return isRepeatable ? [...(Array.isArray(previous) ? previous : []), value] : value;
    });
  }
}

function flagOf(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`;
}

/**
 * Refuses options that other options or the data exclude.
 * @param options by their keys; those that are not given are absent, false or an empty list
 * @throws UserError (exit 2) with each of them that is given
 */
export function refuseGiven(
  options: Readonly<Record<string, unknown>>,
  problem: Omit<Diagnostic, 'file'>,
): void {
  const isGiven = (value: unknown) => (Array.isArray(value) ? value.length > 0 : Boolean(value ?? false));
  const given = Object.keys(options).filter(key => isGiven(options[key]));
  if (given.length > 0) throw usageErrors(given.map(key => ({ ...problem, file: flagOf(key) })));
}

export function flag(description: string): VerbOption<boolean> {
  return new VerbOption('', description, { absent: false });
}

export function text(argument: string, description: string): VerbOption<string | undefined> {
  return new VerbOption(argument, description);
}

export function choice<const C extends string>(
  argument: string,
  choices: readonly C[],
  description: string,
): VerbOption<C | undefined> {
  return new VerbOption(argument, description, { choices });
}

/** @param parse returns undefined for a value that is not `expected` */
export function parsed<T>(
  argument: string,
  description: string,
  expected: string,
  parse: (text: string) => T | undefined,
): VerbOption<T | undefined> {
  return new VerbOption(argument, description, { parse, expected });
}

export function integer(
  argument: string,
  description: string,
  { min, max }: { readonly min: number; readonly max: number },
): VerbOption<number | undefined> {
  const end = max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`;
  return parsed(argument, description, `a whole number from ${min}${end}`, text => {
    const value = Number(text);
    return /^\d+$/.test(text) && value >= min && value <= max ? value : undefined;
  });
}

/** A whole number from 1 to a million. */
export function count(argument: string, description: string): VerbOption<number | undefined> {
  return integer(argument, description, { min: 1, max: 1e6 });
}

export function number(
  argument: string,
  description: string,
  min = Number.NEGATIVE_INFINITY,
): VerbOption<number | undefined> {
  const expected = Number.isFinite(min) ? `a number >= ${min}` : 'a number';
  return parsed(argument, description, expected, text => {
    const value = Number(text);
    return text.trim() !== '' && Number.isFinite(value) && value >= min ? value : undefined;
  });
}

/** Refuses an empty name: it is usually an unset variable, and would mean the working directory. */
export function folder(argument: string, description: string): VerbOption<string | undefined> {
  return parsed(argument, description, 'a directory', text => (text.trim() === '' ? undefined : text));
}

export function list<T extends string = string>(
  argument: string,
  description: string,
  settings: { readonly choices?: readonly T[] } = {},
): VerbOption<readonly T[]> {
  return new VerbOption(argument, `${description} (repeatable)`, {
    absent: [],
    isRepeatable: true,
    ...settings,
  });
}

type Options = Readonly<Record<string, VerbOption<unknown>>>;

export type Values<O extends Options> = { readonly [K in keyof O]: O[K]['type'] };

/** The values of `<config> [key]`: `[string, string | undefined]`. */
type Arguments<A extends string> = A extends `${infer First} ${infer Rest}`
  ? [...Arguments<First>, ...Arguments<Rest>]
  : A extends ''
    ? []
    : A extends `<${string}...>` | `[${string}...]`
      ? [string[]]
      : A extends `<${string}>`
        ? [string]
        : [string | undefined];

interface Declaration<A extends string, O extends Options> {
  /** Arguments as in the usage line, such as `<config> [key]`. */
  readonly arguments?: A;
  readonly options: O;
  readonly help?: string;
  action(args: Arguments<A>, options: Values<O>, shell: Shell): ExitCode | Promise<ExitCode>;
}

export type Verb = (command: Command, shell: Shell) => void;

export function defineVerb<const A extends string = '', O extends Options = Options>(
  declaration: Declaration<A, O>,
): Verb {
  return (command, shell) => {
    const options = Object.entries(declaration.options).map(([key, option]) => {
      const made = option.toCommander(key);
      command.addOption(made);
      return { key, settings: option.settings, name: made.attributeName(), long: String(made.long) };
    });
    if (declaration.arguments) command.arguments(declaration.arguments);
    if (declaration.help) command.addHelpText('after', `\n${declaration.help.trim()}`);
    command.action(async () => {
      const read = command.opts();
      const isGiven = (name: string) => command.getOptionValueSource(name) === 'cli';
      for (const { name, long, settings } of options)
        if (isGiven(name) && settings.requires !== undefined && !isGiven(settings.requires))
          throw usageError('cli/requires', `${long} requires --${settings.requires}`, { file: long });
      // commander reads `--no-x` as `x: false`, which is no value of `--x`
      const values = options.map(({ key, settings, name, long }) => {
        const isOff = read[name] === false;
        const value = isOff ? undefined : read[name];
        return [key, long.startsWith('--no-') ? isOff : (value ?? settings.absent)];
      });
      const args = command.processedArgs as Arguments<A>;
      shell.finish(await declaration.action(args, Object.fromEntries(values) as Values<O>, shell));
    });
  };
}

/** Adds the options of every verb. `call.ts` reads them itself, before anything can fail. */
export function withSharedOptions(command: Command): Command {
  return command
    .option('--no-color', 'disable colors')
    .option('--verbose', 'print stack traces of unexpected errors');
}

export function addCommand(
  parent: Command,
  name: string,
  summary: string,
  shell: Shell,
  verb?: Verb,
): Command {
  const command = parent.command(name).description(summary);
  verb?.(command, shell);
  return withSharedOptions(command).enablePositionalOptions().helpOption('-h, --help', 'show this help');
}

export const WEIGHTS = ['trained', 'average'] as const satisfies readonly WeightsName[];

export const set = list('<key.path=value>', 'override a value of the config; --set is optional');

export const backend = choice('<name>', BACKEND_REQUESTS, 'compute backend').default('auto');

export function sameBackend(subject: string): VerbOption<BackendRequest | undefined> {
  return choice('<name>', BACKEND_REQUESTS, `compute backend (default: the one ${subject} started with)`);
}

export const threads = integer('<n>', 'compute threads (default: chosen automatically)', {
  min: 1,
  max: 1024,
});

export const width = parsed<Width>(
  '<bits>',
  'vector width of the kernels: 128, 256 or 512 (default: the fastest; results are equal)',
  '128, 256 or 512',
  bits => (['128', '256', '512'].includes(bits) ? (Number(bits) as Width) : undefined),
);

export const portable = flag(
  'round alike on every machine and in browsers, without fused multiply-add; slower on some machines',
);

export const checkpoint = parsed<WhichCheckpoint>(
  '<which>',
  "'last', 'best' or a step number (default: the one of the final metrics)",
  "'last', 'best' or a step number",
  which => {
    if (which === 'last' || which === 'best') return which;
    return /^\d{1,15}$/.test(which) ? Number(which) : undefined;
  },
);

/** Where kernels run, and how. */
export const compute = { backend, threads, width };

/** A checkpoint of a run, and how it is opened. */
export const savedModel = {
  checkpoint,
  weights: choice(
    '<which>',
    WEIGHTS,
    'trained weights or their moving average (default: the average if the run keeps one)',
  ),
  // of a finished run, only the location of its data can change
  set: list('<dataset.path=file>', "where the run's data is now; --set is optional"),
  ...compute,
};

export const split = choice('<name>', ['test', 'validation', 'train'], 'dataset split').default('test');

export const pauseAfterEpoch = count('<n>', 'stop after this epoch; the run can be resumed');

export function json(what: string): VerbOption<boolean> {
  return flag(`print ${what} as JSON`);
}

export const jsonFormat = flag('short for --format json').with({ conflicts: ['format'] });

export const quiet = flag('no progress on stderr').with({ short: '-q' });

export const experiments = folder('<dir>', 'output directory').default('experiments');

export const notes = { tag: list('<tag>', 'add a tag'), note: text('<text>', 'add a note') };

/** How training shows its progress. */
export const progress = {
  dashboard: flag('start a live dashboard and print its address on stderr'),
  keepDashboard: flag('like --dashboard, but keep it running until Ctrl-C'),
  quiet,
};

export const seed = integer('<n>', 'random seed', { min: 0, max: Number.MAX_SAFE_INTEGER });
