/**
 * Declarations of verbs: arguments, options, help and action. Types are inferred from them.
 */
import { type Command, Option } from 'commander';
import { type ExitCode, usageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import type { Io } from '../terminal/io.js';

/** The context of one call of the program. */
export interface Shell {
  readonly io: Io;
  /** The arguments after the program's name. */
  readonly commandLine: readonly string[];
  readonly version: string;
  /** Called once, by the verb that ran. */
  finish(code: ExitCode): void;
}

interface Settings {
  /** Parses one value; undefined if it is invalid. */
  readonly parse?: (text: string) => unknown;
  /** Describes valid values. */
  readonly expected?: string;
  /** True if each occurrence adds a value. */
  readonly isRepeatable?: boolean;
  readonly choices?: readonly string[];
  readonly default?: unknown;
  /** The value of an absent option that has no default; not shown in the help. */
  readonly absent?: unknown;
  readonly short?: string;
  readonly env?: string;
  readonly isRequired?: boolean;
  readonly conflicts?: readonly string[];
  readonly requires?: string;
}

/** An option of a verb, named by its key in `options`. Actions receive a value of type `T`. */
export class VerbOption<T> {
  declare readonly type: T;

  /** @param argument placeholder of the value, such as `<n>`; empty for a flag */
  constructor(
    private readonly argument: string,
    private readonly description: string,
    private readonly settings: Settings = {},
  ) {}

  private with(settings: Settings): VerbOption<T> {
    return new VerbOption(this.argument, this.description, { ...this.settings, ...settings });
  }

  default(value: NonNullable<T>): VerbOption<NonNullable<T>> {
    return this.with({ default: value }) as VerbOption<NonNullable<T>>;
  }

  /** Must be given, on the command line or in the environment variable `env`. */
  required(env: string): VerbOption<NonNullable<T>> {
    return this.with({ isRequired: true, env }) as VerbOption<NonNullable<T>>;
  }

  /** @param letter such as `-q` */
  short(letter: string): VerbOption<T> {
    return this.with({ short: letter });
  }

  /** @param keys options that it cannot be combined with */
  conflicts(...keys: readonly string[]): VerbOption<T> {
    return this.with({ conflicts: keys });
  }

  /** @param key an option without which it has no meaning */
  requires(key: string): VerbOption<T> {
    return this.with({ requires: key });
  }

  toCommander(key: string): Option {
    const { parse, choices, isRepeatable, short, env, isRequired, conflicts } = this.settings;
    const name = `--${key.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`;
    const flags = `${short === undefined ? '' : `${short}, `}${name} ${this.argument}`.trimEnd();
    const option = new Option(flags, this.description).default(this.settings.default);
    // after `choices`, which parses too
    if (choices !== undefined) option.choices(choices);
    const read = (text: string): unknown => {
      const isValid = choices === undefined || choices.includes(text);
      const value = !isValid ? undefined : parse === undefined ? text : parse(text);
      if (value === undefined) throw this.invalid(name, text);
      return value;
    };
    if (isRepeatable)
      option.argParser((text, previous: unknown) => [
        ...(Array.isArray(previous) ? previous : []),
        read(text),
      ]);
    else if (choices !== undefined || parse !== undefined) option.argParser(read);
    if (env !== undefined) option.env(env);
    return option.makeOptionMandatory(isRequired === true).conflicts([...(conflicts ?? [])]);
  }

  private invalid(name: string, text: string) {
    const { choices = [], expected = `one of ${choices.join(', ')}` } = this.settings;
    // `gpu` means webgpu rather than cpu
    const suggestion = choices.find(one => text.length > 2 && one.includes(text)) ?? nearest(text, choices);
    return usageError({
      code: 'cli/invalidArgument',
      message: `invalid value '${text}'`,
      file: name,
      expected,
      ...(suggestion !== undefined && { suggestion }),
    });
  }

  /**
   * @param given keys of the options on the command line
   * @throws UserError (exit 2) if the option that this one requires is missing
   */
  checkRequired({ long }: Option, given: readonly string[]): void {
    const { requires } = this.settings;
    if (requires === undefined || given.includes(requires)) return;
    const file = String(long);
    throw usageError({ code: 'cli/requires', message: `${file} requires --${requires}`, file });
  }

  /** Converts the value that commander read to the one that an action receives. */
  valueOf(read: unknown, { negate }: Option): T {
    return (negate ? read === false : (read ?? this.settings.absent)) as T;
  }
}

/** An option without a value. */
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

/** @param read returns undefined for a value that is not `expected` */
export function parsed<T>(
  argument: string,
  description: string,
  expected: string,
  read: (text: string) => T | undefined,
): VerbOption<T | undefined> {
  return new VerbOption(argument, description, { parse: read, expected });
}

export function integer(
  argument: string,
  description: string,
  { min, max }: { readonly min: number; readonly max: number },
): VerbOption<number | undefined> {
  const range =
    max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`;
  return parsed(argument, description, range, text => {
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

/**
 * Refuses an empty name: it is usually an unset variable, and would mean the working directory.
 */
export function folder(argument: string, description: string): VerbOption<string | undefined> {
  return parsed(argument, description, 'a directory', text => (text.trim() === '' ? undefined : text));
}

/** A repeatable option. */
export function list<T extends string = string>(
  argument: string,
  description: string,
  { choices }: { readonly choices?: readonly T[] } = {},
): VerbOption<readonly T[]> {
  return new VerbOption(argument, `${description} (repeatable)`, {
    absent: [],
    isRepeatable: true,
    ...(choices !== undefined && { choices }),
  });
}

type Options = Readonly<Record<string, VerbOption<unknown>>>;

/** The values of declared options. */
export type Values<O extends Options> = { readonly [K in keyof O]: O[K]['type'] };

/** The values of `<config> [key]`: `[string, string | undefined]`. */
type Arguments<A extends string> = A extends `${infer First} ${infer Rest}`
  ? [...Arguments<First>, ...Arguments<Rest>]
  : A extends ''
    ? []
    : A extends `<${string}...>`
      ? [string[]]
      : A extends `<${string}>`
        ? [string]
        : [string | undefined];

interface Declaration<A extends string, O extends Options> {
  /** Arguments as in the usage line, such as `<config> [key]`. */
  readonly arguments?: A;
  readonly options: O;
  /** Shown below the options. */
  readonly help?: string;
  action(args: Arguments<A>, options: Values<O>, shell: Shell): ExitCode | Promise<ExitCode>;
}

/** A declared verb. */
export interface Verb {
  /** Adds its arguments, options, help and action to a command. */
  attach(command: Command, shell: Shell): void;
}

export function defineVerb<const A extends string = '', O extends Options = Options>(
  declaration: Declaration<A, O>,
): Verb {
  return {
    attach(command, shell) {
      const options = Object.entries(declaration.options).map(
        ([key, option]) => [key, option, option.toCommander(key)] as const,
      );
      for (const [, , option] of options) command.addOption(option);
      if (declaration.arguments) command.arguments(declaration.arguments);
      if (declaration.help) command.addHelpText('after', `\n${declaration.help.trim()}`);
      command.action(async () => {
        const read = command.opts();
        const given = options.filter(
          ([, , made]) => command.getOptionValueSource(made.attributeName()) === 'cli',
        );
        for (const [, option, made] of given)
          option.checkRequired(
            made,
            given.map(([key]) => key),
          );
        const values = Object.fromEntries(
          options.map(([key, option, made]) => [key, option.valueOf(read[made.attributeName()], made)]),
        );
        const args = command.processedArgs as Arguments<A>;
        shell.finish(await declaration.action(args, values as Values<O>, shell));
      });
    },
  };
}

const ANYWHERE: readonly string[] = ['--no-color', '--verbose'];

/**
 * Adds the options of every verb. `call.ts` reads them itself, before anything can fail.
 */
export function withSharedOptions(command: Command): Command {
  return command
    .option('--no-color', 'disable colors')
    .option('--verbose', 'print stack traces of unexpected errors');
}

/** Adds a subcommand, with the declaration of its verb if given. */
export function addCommand(
  parent: Command,
  name: string,
  summary: string,
  shell: Shell,
  verb?: Verb,
): Command {
  const command = parent.command(name).description(summary);
  verb?.attach(command, shell);
  return withSharedOptions(command)
    .enablePositionalOptions()
    .hook('preSubcommand', refuseMisplaced)
    .helpOption('-h, --help', 'show this help');
}

/** Refuses an option between a verb and its sub-verb: it belongs to the first, which ignores it. */
function refuseMisplaced(above: Command, below: Command): void {
  const misplaced = above.options.find(
    option =>
      above.getOptionValueSource(option.attributeName()) === 'cli' && !ANYWHERE.includes(option.long ?? ''),
  );
  if (misplaced === undefined) return;
  throw usageError({
    code: 'cli/misplaced-flag',
    message: `${misplaced.long} must follow \`${below.name()}\``,
    expected: `${above.name()} ${below.name()} … ${misplaced.long}`,
  });
}
