/** Points diagnostics of data readers to the config if they are about it. */
import { type ConfigDiagnostic, isConfigDiagnostic } from '../data/core/problems.js';
import { type Diagnostic, EXIT, UserError } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import type { LoadedExperiment } from './load.js';
import { pathsIn, valueAt } from './schema/walk.js';

/** Moves diagnostics about a value of the config, or about a whole file, to that value or path. */
export function locateInConfig(error: UserError, loaded: LoadedExperiment): UserError {
  if (error.exitCode !== EXIT.usage) return error;
  const diagnostics = error.diagnostics.map(d =>
    isConfigDiagnostic(d) ? atKeyPath(d, loaded) : atPath(d, loaded),
  );
  return new UserError(error.exitCode, diagnostics, { cause: error });
}

function atPath(d: Diagnostic, { experiment, locator }: LoadedExperiment): Diagnostic {
  const { file, code } = d;
  if (file === undefined || d.line !== undefined || d.offset !== undefined) return d;
  const paths = pathsIn(experiment);
  const found = paths.find(([path]) => path === file) ?? paths.find(([path]) => file.startsWith(`${path}/`));
  if (found === undefined) return d;
  const { dataset } = experiment;
  const obtain = 'obtain' in dataset && code === 'data/unreadable' ? dataset.obtain : undefined;
  return {
    ...d,
    ...locator.atValue(found[1], code, `${file}: ${d.message}`),
    ...(obtain !== undefined && { expected: `the data, by: ${obtain}` }),
  };
}

function atKeyPath(
  { keyPath, alternatives = [], ...d }: ConfigDiagnostic,
  { locator, experiment }: LoadedExperiment,
): Diagnostic {
  const value = valueAt(experiment, keyPath);
  const near = typeof value === 'string' ? nearest(value, alternatives) : undefined;
  const more = near === undefined ? d : { ...d, suggestion: near };
  return locator.atValue(keyPath, d.code, d.message, more);
}
