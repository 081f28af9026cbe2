/** Each data file belongs to one split and is read once. */
import { resolve } from 'node:path';
import { type ConfigDiagnostic, configError } from '../data/core/problems.js';
import { inputFiles, realPath } from '../data/reading/input-files.js';
import { datasets } from '../data/table.js';
import type { Diagnostic } from '../util/errors.js';
import type { Experiment, PartialExperiment } from './experiment.js';
import { mapPaths } from './paths.js';
import type { Locator } from './yaml/locator.js';
import type { Path } from './yaml/tree.js';

/** Rejects equal paths. Reads no data, see {@link keysOfFiles}. */
export function checkPaths({ dataset }: PartialExperiment, locator: Locator): Diagnostic[] {
  const keys = new Map<string, Path>();
  return pathsOf(dataset).flatMap(([path, at]) => {
    const file = resolve(path);
    const other = keys.get(file);
    if (other === undefined) {
      keys.set(file, at);
      return [];
    }
    const message = `${nameOf(at)} is the same file as ${nameOf(other)}`;
    return [locator.atValue(at, 'config/same-file', message, { expected: separation(at, other) })];
  });
}

/** A data file and the path of the config that it is read for. */
interface ReadFile {
  readonly name: string;
  readonly at: Path;
}

/**
 * Returns the key that names each file of a dataset, such as `test_path`, by the name under which
 * the file is read: folders and patterns are expanded.
 * @throws UserError (exit 2) if a file is read twice, perhaps through a symbolic link, or a folder
 *   or pattern has no files
 */
export async function keysOfFiles(dataset: Experiment['dataset']): Promise<ReadonlyMap<string, string>> {
  const isOne = datasets[dataset.kind].expandsPaths !== true;
  const lists = await Promise.all(
    pathsOf(dataset).map(async ([path, at]) => {
      const names = isOne ? [path] : await inputFiles(path);
      return Promise.all(names.map(async name => ({ name, at, real: await realPath(name) })));
    }),
  );
  const files = lists.flat();
  const first = new Map<string, ReadFile>();
  const repeats = new Map<string, [ReadFile, ReadFile][]>();
  for (const file of files) {
    const other = first.get(file.real);
    if (other === undefined) {
      first.set(file.real, file);
      continue;
    }
    const pair = `${nameOf(file.at)} ${nameOf(other.at)}`;
    const known = repeats.get(pair);
    if (known) known.push([file, other]);
    else repeats.set(pair, [[file, other]]);
  }
  if (repeats.size > 0) throw configError(...[...repeats.values()].map(repeated));
  return new Map(files.map(({ name, at }) => [name, String(at[1])]));
}

/** @param pairs files of one path, each with the earlier file that it repeats */
function repeated(pairs: readonly (readonly [file: ReadFile, other: ReadFile])[]): ConfigDiagnostic {
  const [[file, other]] = pairs;
  const [key, otherKey] = [nameOf(file.at), nameOf(other.at)];
  const what = pairs.length === 1 ? 'a file' : `${pairs.length} files`;
  const alias = file.name === other.name ? '' : `, the same file as ${other.name}`;
  const which = `${pairs.length === 1 ? ': ' : ', such as '}${file.name}${alias}`;
  return {
    code: 'config/same-file',
    keyPath: file.at,
    message:
      key === otherKey ? `${key} has ${what} twice${which}` : `${key} and ${otherKey} share ${what}${which}`,
    expected: separation(file.at, other.at),
  };
}

function pathsOf(dataset: PartialExperiment['dataset']): (readonly [path: string, at: Path])[] {
  const paths: (readonly [string, Path])[] = [];
  mapPaths({ dataset }, (path, at) => {
    paths.push([path, at]);
    return path;
  });
  return paths;
}

function nameOf(at: Path): string {
  return `\`${at.slice(1).join('.')}\``;
}

function separation(at: Path, other: Path): string {
  if (at[1] === other[1]) return 'each file once';
  return splitOf(at) === splitOf(other) ? 'a separate file for each key' : 'a separate file for each split';
}

/** Several keys of a split hold its parts, such as inputs and targets. */
function splitOf(at: Path): string {
  return /validation|test/.exec(String(at[1]))?.[0] ?? 'train';
}
