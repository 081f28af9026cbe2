/** Complaints about files that a config names, shown where the config names them. */
import { type Diagnostic, EXIT, UserError } from '../errors.js';
import type { LoadedExperiment } from './load.js';
import { mapPaths } from './paths.js';
import type { Path } from './tree.js';

/**
 * The error with every complaint about a whole file (missing, not readable: exit 2, no place in the file) moved to the
 * path in the config. What is wrong inside a file stays there.
 */
export function locateInConfig(error: UserError, loaded: LoadedExperiment): UserError {
  if (error.exitCode !== EXIT.usage) return error;
  const named = namedFiles(loaded);
  const diagnostics = error.diagnostics.map(diagnostic => relocate(diagnostic, named, loaded));
  return new UserError(error.exitCode, diagnostics, { cause: error });
}

/** Every path in the config, and its key. */
function namedFiles({ experiment }: LoadedExperiment): ReadonlyMap<string, Path> {
  const named = new Map<string, Path>();
  mapPaths(experiment, (path, at) => {
    named.set(path, at);
    return path;
  });
  return named;
}

function relocate(
  d: Diagnostic,
  named: ReadonlyMap<string, Path>,
  { locator }: LoadedExperiment,
): Diagnostic {
  if (d.file === undefined || d.line !== undefined || d.offset !== undefined) return d;
  const at = named.get(d.file) ?? [...named].find(([path]) => d.file?.startsWith(`${path}/`))?.[1];
  return at === undefined ? d : { ...d, ...locator.atValue(at, d.code, `${d.file}: ${d.message}`) };
}
