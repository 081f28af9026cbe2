/** The command line as Markdown: usage, arguments and flags of every verb, read from commander. */
import { buildProgram } from '../../src/cli/program.js';
import { cell, code, sentence, table } from './schema-tables.js';

type Command = Awaited<ReturnType<typeof buildProgram>>;
type Option = Command['options'][number];

const SHARED = ['--no-color', '--verbose', '--help'];

const written: string[] = [];
const program = await buildProgram({
  io: {
    out: text => written.push(text),
    data: text => written.push(text),
    err: () => {},
    color: { out: false, err: false },
    interactive: false,
    columns: 80,
  },
  commandLine: [],
  version: '',
  finish: () => {},
});

export function commandLine(): string {
  return program.commands
    .filter(command => command.name() !== 'help')
    .flatMap(command => sections(command, command.name(), 2))
    .join('\n\n');
}

function sections(command: Command, name: string, level: number): string[] {
  const below = command.commands.filter(one => one.name() !== 'help');
  const flags = command.options.filter(option => !SHARED.includes(option.long ?? ''));
  const words = [
    name,
    ...command.registeredArguments.map(one => argument(one.name(), one.required, one.variadic)),
  ];
  return [
    `${'#'.repeat(level)} ${name}`,
    sentence(command.description()),
    `\`\`\`text\ncellrun ${words.join(' ')}${flags.length > 0 ? ' [flags]' : ''}\n\`\`\``,
    ...(command.registeredArguments.some(one => one.description !== '')
      ? [
          table(
            ['Argument', 'Default', 'Meaning'],
            command.registeredArguments.map(one => [
              code(one.name()),
              one.defaultValue === undefined ? 'required' : code(String(one.defaultValue)),
              cell(sentence(one.description)),
            ]),
          ),
        ]
      : []),
    ...(flags.length > 0 ? [table(['Flag', 'Default', 'Meaning'], flags.map(flag))] : []),
    ...notes(command),
    ...below.flatMap(one => sections(one, `${name} ${one.name()}`, level + 1)),
  ];
}

function argument(name: string, isRequired: boolean, isVariadic: boolean): string {
  const shown = isVariadic ? `${name}...` : name;
  return isRequired ? `<${shown}>` : `[${shown}]`;
}

function flag(option: Option): string[] {
  const { flags, description, argChoices, defaultValue, defaultValueDescription, envVar } = option;
  const inText = /\(default: ([^)]*)\)/.exec(description)?.[1];
  const meaning = sentence(description.replace(/ ?\(default: [^)]*\)/, ''));
  const choices = argChoices?.map(code).join(', ');
  const parts = [
    meaning,
    ...(choices === undefined ? [] : [`One of ${choices}.`]),
    ...(envVar === undefined ? [] : [`Also read from the environment variable ${code(envVar)}.`]),
  ];
  const value = defaultValueDescription ?? (defaultValue === undefined ? inText : code(String(defaultValue)));
  return [code(flags), cell(value ?? '–'), cell(parts.join(' '))];
}

/** What the help says after the flags. */
function notes(command: Command): string[] {
  written.length = 0;
  command.outputHelp();
  const whole = written.join('');
  const text = whole
    .slice(whole.indexOf(command.helpInformation()) + command.helpInformation().length)
    .trim();
  return text === '' ? [] : [`\`\`\`text\n${text}\n\`\`\``];
}
