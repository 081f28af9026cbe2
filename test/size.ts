/**
 * `npm run check`: how large the project is. Prints the figures, and exits with 1 if one is above
 * its ceiling in `tools/size.json`. Generated files do not count.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';
import { packageRoot } from '../src/util/root.js';
import { placesAskingForKinds } from './kinds.js';

/** A file that lists the members of a family is not the only user that a member will have. */
const REGISTRY = /^(index|table|registry|program)\.tsx?$/;
const IMPORT = /(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g;
/** An import that is gone at run time, or waits until it is called. */
const NOT_LOADED =
  /^(?:import|export) type [^;]*;|^import \{(?:\s*type \w+(?: as \w+)?,?)+\s*\} [^;]*;|import\(/gm;

/** What everything else is built on; the other folders of `src` are rooms of their own. */
const CORE =
  /^src\/(cli|config|data|engine|host|index|judge|math|predict|run|sweep|tasks|train|util)(\/|\.ts$)/;
const roomOf = (file: string): string => (CORE.test(file) ? 'core' : (file.split('/')[1] as string));

/** Verbs that only read files, so that their start is all that a user waits for. */
const PROGRAM = ['main', 'call', 'program'];
const QUICK_VERBS = ['compare', 'config', 'report', 'review', 'serve', 'sweep-status', 'tag'];

function textsIn(folder: string): Map<string, string> {
  const files = readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
    .map(file => join(folder, file))
    .filter(file => /(?<!\.d)\.tsx?$/.test(file) && !/^src.*generated/.test(file));
  return new Map(files.map(file => [file, readFileSync(join(packageRoot, file), 'utf8')]));
}

const linesOf = (text: string): number => text.split('\n').length - 1;

/** Number of lines that are neither blank nor comments. */
function codeLinesOf(text: string): number {
  const withoutBlocks = text.replaceAll(/^[ \t]*\/\*[\s\S]*?\*\/[^\n]*/gm, '');
  return withoutBlocks.split('\n').filter(line => !/^\s*(\/\/.*)?$/.test(line)).length;
}

/** The files that each file imports. */
function importsOf(texts: ReadonlyMap<string, string>): [from: string, to: string][] {
  return [...texts].flatMap(([from, text]) =>
    [...text.matchAll(IMPORT)].flatMap(([, path]): [string, string][] => {
      const module = normalize(join(dirname(from), path)).replace(/\.js$/, '');
      const to = [`${module}.ts`, `${module}.tsx`].find(file => texts.has(file));
      return to === undefined ? [] : [[from, to]];
    }),
  );
}

/** Number of lines of the files that are loaded with these, before anything runs. */
function loadedLines(texts: ReadonlyMap<string, string>, files: readonly string[]): number {
  const plain = new Map([...texts].map(([file, text]) => [file, text.replaceAll(NOT_LOADED, '')]));
  const imports = importsOf(plain);
  const loaded = new Set(files.map(file => `src/cli/${file}.ts`));
  for (const file of loaded) for (const [from, to] of imports) if (from === file) loaded.add(to);
  return [...loaded].reduce((total, file) => total + linesOf(texts.get(file) ?? ''), 0);
}

const kindPlaces = placesAskingForKinds();

function figures() {
  const texts = textsIn('src');
  const importers = new Map<string, Set<string>>();
  const folders = new Set<string>();
  for (const [from, to] of importsOf(texts)) {
    importers.set(to, (importers.get(to) ?? new Set()).add(from));
    if (dirname(from) !== dirname(to)) folders.add(`${dirname(from)} ${dirname(to)}`);
  }
  const isMutual = (pair: string): boolean => folders.has(pair.split(' ').reverse().join(' '));
  const all = [...texts.values()];
  const sum = (texts: Iterable<string>, measure: (text: string) => number): number =>
    [...texts].reduce((total, text) => total + measure(text), 0);
  const rooms: Record<string, number> = {};
  for (const [file, text] of texts) {
    const room = `lines_of_${roomOf(file)}`;
    rooms[room] = (rooms[room] ?? 0) + linesOf(text);
  }
  return {
    lines: sum(all, linesOf),
    ...rooms,
    code_lines: sum(all, codeLinesOf),
    files: all.length,
    files_with_one_importer: [...importers.values()].filter(
      ([from, ...others]) => others.length === 0 && !REGISTRY.test(basename(from)),
    ).length,
    files_under_40_lines: all.filter(text => linesOf(text) < 40).length,
    files_over_600_lines: all.filter(text => linesOf(text) > 600).length,
    mutual_folder_pairs: [...folders].filter(isMutual).length / 2,
    lines_loaded_by_help: loadedLines(texts, PROGRAM),
    lines_loaded_by_a_quick_verb: Math.max(
      ...QUICK_VERBS.map(verb => loadedLines(texts, [...PROGRAM, `verbs/${verb}`])),
    ),
    test_lines: sum(textsIn('test').values(), linesOf),
    places_asking_for_a_kind: kindPlaces.length,
  };
}

const ceilings: Readonly<Record<string, number>> = JSON.parse(
  readFileSync(join(packageRoot, 'tools/size.json'), 'utf8'),
);
for (const [name, figure] of Object.entries(figures())) {
  // a new room has no lines to spare until somebody grants them
  const isAbove = figure > (ceilings[name] ?? 0);
  process.stdout.write(`${name} ${figure}${isAbove ? `, above its ceiling ${ceilings[name] ?? 0}` : ''}\n`);
  if (isAbove) process.exitCode = 1;
  if (isAbove && name === 'places_asking_for_a_kind')
    for (const { place, text } of kindPlaces) process.stdout.write(`  ${place}: ${text}\n`);
}
