/** What readers of runs must know of a kind of dataset, without reading data. */
import { datasets } from '../../data/table.js';

/**
 * How many of a run's digests, the last of them, are of what it tests on; undefined for a kind of
 * another version.
 */
export function testDigestsOf(kind: unknown): number | undefined {
  const known: Readonly<Record<string, { readonly testDigests: number }>> = datasets;
  return typeof kind === 'string' && Object.hasOwn(known, kind) ? known[kind].testDigests : undefined;
}
