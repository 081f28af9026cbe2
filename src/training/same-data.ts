/** Whether the data are still those of a run. */
import type { Dataset } from '../data/index.js';
import { damagedError } from '../errors.js';

/** Throws exit 5 where one of `now` has another digest than in the run's manifest. */
export function checkDigests(now: Dataset['digests'], then: Dataset['digests']): void {
  const known = new Map(then.map(({ name, sha256 }) => [name, sha256]));
  const changed = digestChanges(now, then).filter(({ name }) => known.has(name));
  if (changed.length === 0) return;
  throw damagedError(
    ...changed.map(({ name, sha256 }) => ({
      code: 'run/data-changed',
      message: 'the data are not those that the run was trained and measured on',
      file: name,
      expected: `SHA-256 ${known.get(name)}`,
      got: sha256,
    })),
  );
}

/** Those of `now` that were others, or were not there. */
export function digestChanges(now: Dataset['digests'], then: Dataset['digests']): Dataset['digests'] {
  const known = new Map(then.map(({ name, sha256 }) => [name, sha256]));
  return now.filter(({ name, sha256 }) => known.get(name) !== sha256);
}
