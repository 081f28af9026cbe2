/** `completion SHELL`: scripts that complete verbs, options and choices. */
import type { Command, Option } from 'commander';
import { EXIT, usageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import { defineVerb, type Shell, type Verb } from '../verb.js';

const NAME = 'cellrun';

/** A shell completes the first word of a line, which is another one with npx. */
function forNpx(definition: string): string {
  return `# It completes the command ${NAME}. For npx ${NAME}, define it: ${definition}`;
}

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** @param build builds all commands of the program */
export function completionVerb(build: (shell: Shell) => Promise<Command>): Verb {
  return defineVerb({
    arguments: '<shell>',
    choices: SHELLS,
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
      context.io.data(completionScript(shell, await build(context)));
      return EXIT.done;
    },
  });
}

/** Values to complete: one of some words, or paths. Any value (`none`) is not completed. */
type Kind = readonly string[] | 'config' | 'directory' | 'file' | 'none';

/** Kinds by the placeholders of arguments and of the values of options. */
const KINDS: Readonly<Record<string, Kind>> = {
  config: 'config',
  // of `sweep`: configs, and values of keys
  words: 'config',
  run: 'directory',
  runs: 'directory',
  sweep: 'directory',
  dir: 'directory',
  path: 'directory',
  paths: 'directory',
  file: 'file',
  data: 'file',
};

/** A verb or the program, with the verbs, options and arguments that may follow. */
interface Place {
  /** Such as `sweep status`; empty for the program. */
  readonly path: string;
  readonly verbs: readonly Command[];
  readonly options: readonly Option[];
  readonly argument: Kind;
}

/** The script, with instructions in its first lines. */
function completionScript(shell: (typeof SHELLS)[number], program: Command): string {
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
  const first = command.registeredArguments[0];
  const argument = path === '' ? 'config' : (first?.argChoices ?? KINDS[first?.name()] ?? 'none');
  return [{ path, verbs, options, argument }, ...below];
}

function names({ long, short }: Option): string[] {
  return [long, short].flatMap(name => (name ? [name] : []));
}

/** The kind of an option's value; undefined for a flag. */
function valueKind({ flags, required, argChoices }: Option): Kind | undefined {
  if (!required) return undefined;
  return argChoices ?? KINDS[/<(.+)>/.exec(flags)?.[1] ?? ''] ?? 'none';
}

/** Patterns for `case` of what stands before a value, such as `'run --backend'`, by its kind. */
function valuePatterns(places: readonly Place[]): readonly (readonly [Kind, string])[] {
  const found = places.flatMap(({ path, options }) =>
    options.flatMap(option => {
      const kind = valueKind(option);
      return kind === undefined ? [] : names(option).map(name => [kind, `${path} ${name}`] as const);
    }),
  );
  return byKind(found);
}

/** Patterns for `case` of the paths of verbs, by the kind of their first argument. */
function argumentPatterns(places: readonly Place[]): readonly (readonly [Kind, string])[] {
  return byKind(places.map(({ path, argument }) => [argument, path] as const));
}

function byKind(all: readonly (readonly [Kind, string])[]): readonly (readonly [Kind, string])[] {
  const patterns = new Map<string, [Kind, string]>();
  for (const [kind, text] of all) {
    const before = patterns.get(String(kind))?.[1];
    patterns.set(String(kind), [kind, before === undefined ? quoted(text) : `${before} | ${quoted(text)}`]);
  }
  return [...patterns.values()];
}

/** A pattern for `case` that matches the paths of all verbs. */
function paths(places: readonly Place[]): string {
  return places.flatMap(({ path }) => (path === '' ? [] : [quoted(path)])).join(' | ');
}

function bash(places: readonly Place[]): string {
  const complete = (kind: Kind): string =>
    typeof kind === 'string' ? `_${NAME}_paths ${kind}` : `_${NAME}_words ${quoted(kind.join(' '))}`;
  const values = valuePatterns(places).map(
    ([kind, pattern]) => `    ${pattern}) ${complete(kind)}; return ;;`,
  );
  const words = places.map(({ path, verbs, options }) => {
    const own = options.flatMap(names).join(' ');
    const below = verbs.map(verb => verb.name()).join(' ');
    return `    '${path}') verbs='${below}' options='${own}' ;;`;
  });
  const rest = argumentPatterns(places).map(([kind, pattern]) => `    ${pattern}) ${complete(kind)} ;;`);
  return `# ${NAME}'s completion for bash. Install: ${NAME} completion bash >> ~/.bashrc
${forNpx(`alias ${NAME}='npx ${NAME}'`)}
_${NAME}() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} place='' verbs='' options='' word step
  # bash splits --option=value into three words
  if [[ $current == '=' ]]; then current=''
  elif [[ $before == '=' ]]; then before=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    step="\${place:+$place }$word"
    case $step in
      ${paths(places)}) place=$step ;;
      *.yaml | *.yml | *.json) : "\${place:=run}" ;;
    esac
  done
  COMPREPLY=()
  case "$place $before" in
${values.join('\n')}
  esac
  case $place in
${words.join('\n')}
  esac
  if [[ $current == -* ]]; then
    _${NAME}_words "$options"
    return
  fi
  _${NAME}_words "$verbs"
  case $place in
${rest.join('\n')}
  esac
}
_${NAME}_words() {
  COMPREPLY+=($(compgen -W "$1" -- "$current"))
}
_${NAME}_paths() {
  local IFS=$'\\n' end
  compopt -o filenames 2>/dev/null
  case $1 in
    file) COMPREPLY+=($(compgen -f -- "$current")) ;;
    directory | config) COMPREPLY+=($(compgen -d -- "$current")) ;;
  esac
  [[ $1 == config ]] || return 0
  for end in yaml yml json; do COMPREPLY+=($(compgen -f -X "!*.$end" -- "$current")); done
}
complete -F _${NAME} ${NAME}
`;
}

function zsh(places: readonly Place[]): string {
  const entry = (name: string, description: string): string =>
    quoted(`${name}:${description.replaceAll(':', '\\:')}`);
  const complete = (kind: Kind): string => {
    if (typeof kind !== 'string') return `compadd -- ${kind.join(' ')}`;
    return { config: "_files -g '*.(yaml|yml|json)'", directory: '_files -/', file: '_files', none: ':' }[
      kind
    ];
  };
  const values = valuePatterns(places).map(
    ([kind, pattern]) => `    (${pattern}) ${complete(kind)}; return ;;`,
  );
  const entries = places.map(({ path, verbs, options }) => {
    const below = verbs.map(verb => entry(verb.name(), verb.description()));
    const own = options.flatMap(option => names(option).map(name => entry(name, option.description)));
    return `    ('${path}')\n      verbs=(${below.join(' ')})\n      options=(${own.join(' ')}) ;;`;
  });
  const rest = argumentPatterns(places).map(([kind, pattern]) => `    (${pattern}) ${complete(kind)} ;;`);
  return `#compdef ${NAME}
# ${NAME}'s completion for zsh. Install: ${NAME} completion zsh > ~/.${NAME}.zsh, then add to ~/.zshrc,
# after compinit: source ~/.${NAME}.zsh (or save it as _${NAME} in a folder of $fpath)
${forNpx(`${NAME}() { npx ${NAME} "$@" }`)}
_${NAME}() {
  local current=\${words[CURRENT]} before=\${words[CURRENT-1]} place='' word step
  local -a verbs options
  if [[ $current == --*=* ]]; then
    before=\${current%%=*}
    compset -P '*='
    current=''
  fi
  for word in "\${(@)words[2,CURRENT-1]}"; do
    step="\${place:+$place }$word"
    case $step in
      (${paths(places)}) place=$step ;;
      (*.yaml | *.yml | *.json) : "\${place:=run}" ;;
    esac
  done
  case "$place $before" in
${values.join('\n')}
  esac
  case $place in
${entries.join('\n')}
  esac
  if [[ $current == -* ]]; then
    _describe option options
    return
  fi
  (( \${#verbs} )) && _describe verb verbs
  case $place in
${rest.join('\n')}
  esac
}
if [[ \${funcstack[1]} == _${NAME} ]]; then _${NAME} "$@"; else compdef _${NAME} ${NAME}; fi
`;
}

function fish(places: readonly Place[]): string {
  const complete = (kind: Kind): string => {
    if (typeof kind !== 'string') return `-x -a ${quoted(kind.join(' '))}`;
    const config = `-x -a '(__${NAME}_configs)'`;
    return { config, directory: "-x -a '(__fish_complete_directories)'", file: '-r -F', none: '-x' }[kind];
  };
  const lines = places.flatMap(({ path, verbs, options, argument }) => {
    const common = `complete -c ${NAME} -n ${quoted(`__${NAME}_at ${path}`.trim())}`;
    return [
      ...(argument === 'none' ? [] : [`${common} ${complete(argument)}`]),
      ...verbs.map(verb => `${common} -a ${verb.name()} -d ${quoted(verb.description())}`),
      ...options.map(option => {
        const kind = valueKind(option);
        return [
          common,
          ...(option.long ? [`-l ${option.long.replace(/^--/, '')}`] : []),
          ...(option.short ? [`-s ${option.short.replace(/^-/, '')}`] : []),
          ...(kind === undefined ? [] : [complete(kind)]),
          `-d ${quoted(option.description)}`,
        ].join(' ');
      }),
    ];
  });
  const known = places.flatMap(({ path }) => (path === '' ? [] : [quoted(path)])).join(' ');
  return `# ${NAME}'s completion for fish. Install: ${NAME} completion fish > ~/.config/fish/completions/${NAME}.fish
${forNpx(`alias ${NAME}='npx ${NAME}'`)}
# true if the verb of the line is $argv
function __${NAME}_at
    set -l words (commandline -opc)
    set -e words[1]
    set -l place ''
    for word in $words
        set -l step (string trim -- "$place $word")
        if contains -- $step ${known}
            set place $step
        else if test -z "$place"; and string match -qr '\\.(ya?ml|json)$' -- $word
            set place run
        end
    end
    test "$place" = "$argv"
end
function __${NAME}_configs
    __fish_complete_path (commandline -ct) | string match -r '^[^\\t]*(?:/|\\.ya?ml|\\.json)(?:\\t.*)?$'
end
complete -c ${NAME} -f
${lines.join('\n')}
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
