/** Which runs are meant by several paths. */
import { type Diagnostic, UserError, usageError } from '../../util/errors.js';
import { runsAt } from './find.js';

/**
 * Run directories, absolute, each once, in the order given.
 * @throws UserError (exit 2) with every path that stands for none
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
