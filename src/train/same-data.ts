/** Checks that a run's data have not changed. */
import type { Dataset } from '../data/index.js';
import type { Manifest } from '../run/manifest.js';
import { type Diagnostic, damagedError } from '../util/errors.js';
import type { Fitted } from './session.js';

/** A run's record of the data that it was trained on. */
export type RunData = Pick<Manifest, 'datasets' | 'data' | 'scaling'>;

/** Values that a run fitted on its training split; empty without a run. */
export function fittedBy(run: RunData | undefined): Fitted {
  return { scaling: run?.scaling, vocabulary: run?.data?.vocabulary };
}

/** Names may differ, since files may have been moved; content, split and order may not. */
export function checkSameData({ digests: now }: Dataset, { datasets: then }: RunData): void {
  const isSame = now.every(({ sha256, split }, i) => sha256 === then[i]?.sha256 && split === then[i].split);
  if (isSame && now.length === then.length) return;
  const change = (file: string, message: string, more: Partial<Diagnostic> = {}) => ({
    code: 'run/data-changed',
    message,
    file,
    ...more,
  });
  const matched = new Set<RunData['datasets'][number]>();
  const found = now.flatMap(({ name, sha256, split }, i) => {
    const earlier =
      then.find(file => file.name === name) ??
      then.find(file => file.sha256 === sha256 && !matched.has(file)) ??
      // moved files replace those in the same places
      (now.length === then.length ? then[i] : undefined);
    if (earlier === undefined) return change(name, 'the file was added after the run was trained');
    matched.add(earlier);
    const more = { expected: `SHA-256 ${earlier.sha256}`, got: sha256 };
    if (sha256 !== earlier.sha256)
      return change(name, 'the data have changed since the run was trained', more);
    if (split === earlier.split) return [];
    return change(name, `the file was in the ${earlier.split} split when the run was trained`, {
      got: split,
    });
  });
  const gone = then.filter(file => !matched.has(file));
  for (const { name } of gone)
    found.push(change(name, 'the run was trained with this file, which is missing now'));
  if (found.length > 0) throw damagedError(...found);
  const first = Math.max(
    0,
    now.findIndex(({ sha256 }, i) => sha256 !== then[i]?.sha256),
  );
  const message = 'the data files are in another order than when the run was trained';
  throw damagedError(change(now[first].name, message, { expected: then[first].name }));
}

/** Entries of `now` that are new or changed since `then`. */
export function digestChanges(now: Dataset['digests'], then: RunData['datasets']): Dataset['digests'] {
  const known = new Map(then.map(({ name, sha256 }) => [name, sha256]));
  return now.filter(({ name, sha256 }) => known.get(name) !== sha256);
}
