/** Facts about kinds of datasets for readers of runs, which do not read data. */
import { datasets } from '../../data/table.js';

/**
 * Number of digests at the end of a run's list that are of its test data; undefined for an unknown
 * kind.
 */
export function testDigestsOf(kind: unknown): number | undefined {
  const known: Readonly<Record<string, { readonly testDigests: number }>> = datasets;
  return typeof kind === 'string' && Object.hasOwn(known, kind) ? known[kind].testDigests : undefined;
}
