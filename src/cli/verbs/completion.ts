/** `completion SHELL`: scripts that complete verbs, options and choices. */
import type { Command, Option } from 'commander';
import { EXIT, usageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import { defineVerb, type Shell, type Verb } from '../verb.js';

const NAME = 'cellrun';

/** A shell completes the first word of a line, which is not the program then. */
const NPX = `# It completes the command ${NAME}: for npx ${NAME}, add alias ${NAME}='npx ${NAME}', or npm install --global.\n`;

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** @param build builds all commands of the program */
export function completionVerb(build: (shell: Shell) => Promise<Command>): Verb {
  return defineVerb({
    arguments: '<shell>',
    options: {},
    help: 'Shells: bash, zsh and fish. The first lines of the script say how to install it.',
    async action([name], _, context) {
      const shell = SHELLS.find(one => one === name);
      const suggestion = nearest(name, SHELLS);
      if (shell === undefined)
        throw usageError({
          code: 'cli/invalidArgument',
          message: `unknown shell '${name}'`,
          expected: `one of ${SHELLS.join(', ')}`,
          ...(suggestion !== undefined && { suggestion }),
        });
      context.io.out(completionScript(shell, await build(context)));
      return EXIT.done;
    },
  });
}

/** Names of arguments that are directories: of runs, sweeps, or folders of them. */
const DIRECTORIES: ReadonlySet<string> = new Set(['run', 'runs', 'sweep', 'dir', 'path', 'paths']);
/** Names of arguments that are config files. */
const CONFIGS: ReadonlySet<string> = new Set(['config']);

/** A verb or the program, with the verbs and options that may follow. */
interface Place {
  /** Such as `sweep status`; empty for the program. */
  readonly path: string;
  readonly verbs: readonly Command[];
  readonly options: readonly Option[];
  /** Name of the verb's first argument; undefined if it has none. */
  readonly argument: string | undefined;
}

/**
 * The script, with instructions in its first lines. The shell completes file names if no verb or
 * option fits.
 */
function completionScript(shell: 'bash' | 'zsh' | 'fish', program: Command): string {
  const places = placesOf(program);
  switch (shell) {
    case 'bash':
      return bash(places);
    case 'zsh':
      return zsh(places);
    case 'fish':
      return fish(places);
    default:
      return shell satisfies never;
  }
}

function placesOf(command: Command, path = ''): Place[] {
  const verbs = command.commands;
  const below = verbs.flatMap(verb => placesOf(verb, `${path} ${verb.name()}`.trim()));
  const options = command.options.filter(({ hidden }) => !hidden);
  return [{ path, verbs, options, argument: command.registeredArguments[0]?.name() }, ...below];
}

function names({ long, short }: Option): string[] {
  return [long, short].flatMap(name => (name ? [name] : []));
}

/** Options with a fixed set of values, each once, with all its values. */
function choices(places: readonly Place[]): readonly (readonly [string, readonly string[]])[] {
  const all = places.flatMap(({ options }) =>
    options.flatMap(option =>
      option.argChoices && option.long ? [[option.long, option.argChoices] as const] : [],
    ),
  );
  const merged = new Map<string, Set<string>>();
  for (const [name, values] of all) merged.set(name, new Set([...(merged.get(name) ?? []), ...values]));
  return [...merged].map(([name, values]) => [name, [...values]] as const);
}

/** A pattern for `case` that matches the paths of all verbs. */
function steps(places: readonly Place[]): string {
  return pattern(places.filter(({ path }) => path !== ''));
}

/** A pattern for `case` that matches the paths of verbs whose first argument has one of `names`. */
function taking(names: ReadonlySet<string>, places: readonly Place[]): string {
  return pattern(places.filter(({ argument }) => argument !== undefined && names.has(argument)));
}

function pattern(places: readonly Place[]): string {
  return places.map(({ path }) => `'${path}'`).join(' | ');
}

function bash(places: readonly Place[]): string {
  const values = choices(places).map(
    ([name, list]) => `    ${name}) COMPREPLY=($(compgen -W '${list.join(' ')}' -- "$current")); return ;;`,
  );
  const words = places.map(({ path, verbs, options }) => {
    const own = options.flatMap(names).join(' ');
    const below = verbs.map(verb => verb.name()).join(' ');
    return `    '${path}') verbs='${below}' options='${own}' ;;`;
  });
  return `# ${NAME}'s completion for bash. Install: ${NAME} completion bash >> ~/.bashrc
${NPX}_${NAME}() {
  local current=\${COMP_WORDS[COMP_CWORD]} place='' verbs='' options='' word step
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    step="\${place:+$place }$word"
    case $step in ${steps(places)}) place=$step ;; esac
  done
  COMPREPLY=()
  case \${COMP_WORDS[COMP_CWORD-1]} in
${values.join('\n')}
  esac
  case $place in
${words.join('\n')}
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$current"))
  elif [[ -n $verbs ]]; then
    COMPREPLY=($(compgen -W "$verbs" -- "$current"))
    [[ -n $place ]] && return
  fi
  [[ $current == -* ]] && return
  compopt -o filenames 2>/dev/null
  case $place in
    ${taking(DIRECTORIES, places)}) COMPREPLY+=($(compgen -d -- "$current")) ;;
    '' | ${taking(CONFIGS, places)}) COMPREPLY+=($(compgen -d -- "$current") $(compgen -f -X '!*.@(yaml|yml|json)' -- "$current")) ;;
    *) COMPREPLY+=($(compgen -f -- "$current")) ;;
  esac
}
shopt -s extglob
complete -F _${NAME} ${NAME}
`;
}

function zsh(places: readonly Place[]): string {
  const entry = (name: string, description: string): string =>
    quoted(`${name}:${description.replaceAll(':', '\\:')}`);
  const values = choices(places).map(
    ([name, list]) => `    ${name}) compadd -- ${list.join(' ')}; return ;;`,
  );
  const entries = places.map(({ path, verbs, options }) => {
    const below = verbs.map(verb => entry(verb.name(), verb.description()));
    const own = options.flatMap(option => names(option).map(name => entry(name, option.description)));
    return `    '${path}')\n      verbs=(${below.join(' ')})\n      options=(${own.join(' ')}) ;;`;
  });
  return `#compdef ${NAME}
# ${NAME}'s completion for zsh. Install: ${NAME} completion zsh > "\${fpath[1]}/_${NAME}"
${NPX}_${NAME}() {
  local place='' word step
  local -a verbs options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    step="\${place:+$place }$word"
    case $step in (${steps(places)}) place=$step ;; esac
  done
  case \${words[CURRENT-1]} in
${values.map(line => line.replace('    ', '    (')).join('\n')}
  esac
  case $place in
${entries.map(text => text.replace("    '", "    ('")).join('\n')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe option options
  elif (( \${#verbs} )); then
    _describe verb verbs
    [[ -z $place ]] && _files -g '*.(yaml|yml|json)'
  else
    case $place in
      (${taking(DIRECTORIES, places)}) _files -/ ;;
      (${taking(CONFIGS, places)}) _files -g '*.(yaml|yml|json)' ;;
      (*) _files ;;
    esac
  fi
}
if [[ \${funcstack[1]} == _${NAME} ]]; then _${NAME} "$@"; else compdef _${NAME} ${NAME}; fi
`;
}

function fish(places: readonly Place[]): string {
  const lines = places.flatMap(({ path, verbs, options, argument = '' }) => {
    const seen = path.split(' ').filter(word => word !== '');
    const below = verbs.map(verb => verb.name());
    const inPlace = seen.map(word => `__fish_seen_subcommand_from ${word}`);
    const notBelow = below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.join(' ')}`];
    const here = seen.length === 0 ? '__fish_use_subcommand' : [...inPlace, ...notBelow].join('; and ');
    const common = `complete -c ${NAME} -n ${quoted(here)}`;
    const fit = DIRECTORIES.has(argument)
      ? [`${common} -f -a '(__fish_complete_directories)'`]
      : CONFIGS.has(argument)
        ? ['yaml', 'yml', 'json'].map(end => `${common} -k -f -a '(__fish_complete_suffix .${end})'`)
        : [];
    return [
      ...fit,
      ...verbs.map(verb => `${common} -a ${verb.name()} -d ${quoted(verb.description())}`),
      ...options.map(({ long, short, description, required, argChoices }) =>
        [
          common,
          ...(long ? [`-l ${long.replace(/^--/, '')}`] : []),
          ...(short ? [`-s ${short.replace(/^-/, '')}`] : []),
          ...(argChoices ? [`-x -a ${quoted(argChoices.join(' '))}`] : required ? ['-r'] : []),
          `-d ${quoted(description)}`,
        ].join(' '),
      ),
    ];
  });
  return `# ${NAME}'s completion for fish. Install: ${NAME} completion fish > ~/.config/fish/completions/${NAME}.fish
${NPX}${lines.join('\n')}
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
