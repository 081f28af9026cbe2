/** The files that a config names: each is read once, and problems with one point to the config. */

import { type ConfigDiagnostic, configError, isConfigDiagnostic } from '../data/core/problems.js';
import { kindOf } from '../data/kinds.js';
import { inputFiles, realPath } from '../data/reading/files.js';
import { resolve } from '../host/index.js';
import { type Diagnostic, EXIT, UserError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import type { Experiment } from './schema/experiment.js';
import { pathsIn, valueAt } from './schema/schema.js';
import type { Locator, Path } from './yaml/tree.js';

/** Rejects equal paths. Reads no data, see {@link refuseRepeatedFiles}. */
export function* checkPaths(dataset: Experiment['dataset'], locator: Locator): Iterable<Diagnostic> {
  const keys = new Map<string, Path>();
  for (const [path, at] of pathsIn({ dataset })) {
    const other = keys.get(resolve(path));
    keys.set(resolve(path), other ?? at);
    if (other === undefined) continue;
    const message = `${nameOf(at)} is the same file as ${nameOf(other)}`;
    yield locator.atValue(at, 'config/same-file', message, { expected: separation(at, other) });
  }
}

/** Throws (exit 2) if a file is read twice, perhaps through a folder or a symbolic link. */
export async function refuseRepeatedFiles(dataset: Experiment['dataset']): Promise<void> {
  const { fileNames, depthOf } = kindOf(dataset);
  const first = new Map<string, { readonly name: string; readonly at: Path }>();
  const problems = new Map<string, ConfigDiagnostic>();
  for (const [path, at] of pathsIn({ dataset })) {
    for (const name of fileNames ? await inputFiles(path, fileNames, depthOf?.(dataset)) : [path]) {
      const real = await realPath(name);
      const other = first.get(real);
      first.set(real, other ?? { name, at });
      if (other === undefined) continue;
      const [key, otherKey] = [nameOf(at), nameOf(other.at)];
      const alias = name === other.name ? '' : `, the same file as ${other.name}`;
      const what = key === otherKey ? `${key} has a file twice` : `${key} and ${otherKey} share a file`;
      const found = { code: 'config/same-file', keyPath: at, message: `${what}: ${name}${alias}` };
      // one file of several is enough
      if (!problems.has(what)) problems.set(what, { ...found, expected: separation(at, other.at) });
    }
  }
  if (problems.size > 0) throw configError(...problems.values());
}

function nameOf(at: Path): string {
  return `\`${at.slice(1).join('.')}\``;
}

function separation(at: Path, other: Path): string {
  if (at[1] === other[1]) return 'each file once';
  return splitOf(at) === splitOf(other) ? 'a separate file for each key' : 'a separate file for each split';
}

/** Several keys may name files of one split, such as inputs and targets. */
function splitOf(at: Path): string {
  return /validation|test/.exec(String(at[1]))?.[0] ?? 'train';
}

/** A config that is valid. */
interface Loaded {
  readonly experiment: Experiment;
  readonly locator: Locator;
}

/** Moves diagnostics about a value of the config, or about a whole file, to that value or path. */
export function locateInConfig(error: UserError, loaded: Loaded): UserError {
  if (error.exitCode !== EXIT.usage) return error;
  const diagnostics = error.diagnostics.map(d =>
    isConfigDiagnostic(d) ? atKeyPath(d, loaded) : atPath(d, loaded),
  );
  return new UserError(error.exitCode, diagnostics, { cause: error });
}

function atPath(d: Diagnostic, { experiment, locator }: Loaded): Diagnostic {
  const { file, code } = d;
  if (file === undefined || d.line !== undefined || d.offset !== undefined) return d;
  const paths = pathsIn(experiment);
  const found = paths.find(([path]) => path === file) ?? paths.find(([path]) => file.startsWith(`${path}/`));
  if (found === undefined) return d;
  const { dataset } = experiment;
  const isAbsent = code === 'data/unreadable' || code === 'data/no-files';
  const obtain = 'obtain' in dataset && isAbsent ? dataset.obtain : undefined;
  return {
    ...d,
    ...locator.atValue(found[1], code, `${file}: ${d.message}`),
    ...(obtain !== undefined && { expected: `the data, by: ${obtain}` }),
  };
}

function atKeyPath(
  { keyPath, alternatives = [], ...d }: ConfigDiagnostic,
  { locator, experiment }: Loaded,
): Diagnostic {
  const value = valueAt(experiment, keyPath);
  const near = typeof value === 'string' ? nearest(value, alternatives) : undefined;
  const more = near === undefined ? d : { ...d, suggestion: near };
  return locator.atValue(keyPath, d.code, d.message, more);
}
