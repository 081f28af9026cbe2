/** The runs at several paths. */
import { type Diagnostic, UserError, usageError } from '../../util/errors.js';
import { runsAt } from './find.js';

/**
 * Absolute run directories, in the order of `paths`, without duplicates.
 * @throws UserError (exit 2) if a path has no runs; lists all such paths
 */
export function runPaths(paths: readonly string[]): string[] {
  const problems: Diagnostic[] = [];
  const found = paths.flatMap(path => {
    try {
      return runsAt(path).map(run => run.path);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(...error.diagnostics);
      return [];
    }
  });
  if (problems.length > 0) throw usageError(...problems);
  return [...new Set(found)];
}
