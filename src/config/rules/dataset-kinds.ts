/** Facts about kinds of datasets for readers of runs, which do not read data. */
import { datasets } from '../../data/table.js';

/**
 * Number of digests of test data, which come last in a run's list of digests; undefined for an
 * unknown kind.
 */
export function testDigestsOf(kind: unknown): number | undefined {
  const known: Readonly<Record<string, { readonly testDigests: number }>> = datasets;
  return typeof kind === 'string' && Object.hasOwn(known, kind) ? known[kind].testDigests : undefined;
}
