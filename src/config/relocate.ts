/** Points diagnostics of data readers to the config if they are about it. */
import { type ConfigDiagnostic, isConfigDiagnostic } from '../data/core/problems.js';
import { type Diagnostic, EXIT, UserError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import type { LoadedExperiment } from './load.js';
import { pathsIn, valueAt } from './schema/walk.js';
import type { Path } from './yaml/tree.js';

/** Moves diagnostics about a value of the config, or about a whole file, to that value or path. */
export function locateInConfig(error: UserError, loaded: LoadedExperiment): UserError {
  if (error.exitCode !== EXIT.usage) return error;
  const named = new Map(pathsIn(loaded.experiment));
  const diagnostics = error.diagnostics.map(diagnostic => relocate(diagnostic, named, loaded));
  return new UserError(error.exitCode, diagnostics, { cause: error });
}

function relocate(d: Diagnostic, named: ReadonlyMap<string, Path>, loaded: LoadedExperiment): Diagnostic {
  if (isConfigDiagnostic(d)) return atKeyPath(d, loaded);
  if (d.file === undefined || d.line !== undefined || d.offset !== undefined) return d;
  const at = named.get(d.file) ?? [...named].find(([path]) => d.file?.startsWith(`${path}/`))?.[1];
  if (at === undefined) return d;
  const { dataset } = loaded.experiment;
  const obtain = 'obtain' in dataset && d.code === 'data/unreadable' ? dataset.obtain : undefined;
  return {
    ...d,
    ...loaded.locator.atValue(at, d.code, `${d.file}: ${d.message}`),
    ...(obtain !== undefined && { expected: `the data, by: ${obtain}` }),
  };
}

function atKeyPath(
  { keyPath, alternatives = [], ...d }: ConfigDiagnostic,
  { locator, experiment }: LoadedExperiment,
): Diagnostic {
  const value = valueAt(experiment, keyPath);
  const near = typeof value === 'string' ? nearest(value, alternatives) : undefined;
  return locator.atValue(keyPath, d.code, d.message, {
    ...d,
    ...(near !== undefined && { suggestion: near }),
  });
}
