/** Checks that a run's data have not changed. */
import { basename } from 'node:path';
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

type DataFile = Dataset['digests'][number];
type EarlierFile = RunData['datasets'][number];

/**
 * Checks that each split is read from the same files in the same order. Their names may differ,
 * since files may have been moved.
 * @throws UserError (exit 5) for each file that differs
 */
export function checkSameData({ digests: now }: Dataset, { datasets: then }: RunData): void {
  const isSame = now.every(({ sha256, split }, i) => sha256 === then[i]?.sha256 && split === then[i].split);
  if (isSame && now.length === then.length) return;
  throw damagedError(...fileChanges(now, then));
}

function fileChanges(now: readonly DataFile[], then: readonly EarlierFile[]): Diagnostic[] {
  const unmatched = [...then];
  const take = (matches: (earlier: EarlierFile) => boolean): EarlierFile | undefined => {
    const index = unmatched.findIndex(matches);
    return index < 0 ? undefined : unmatched.splice(index, 1)[0];
  };
  const named = now.map(file => take(({ name }) => name === file.name));
  const known = now.map((file, i) => named[i] ?? take(({ sha256 }) => sha256 === file.sha256));
  // if no name is known, the files have been moved and replace those in the same places
  const areMoved = now.length === then.length && named.every(earlier => earlier === undefined);
  const pairs = now.map((file, i) => ({
    file,
    earlier: known[i] ?? (areMoved ? unmatched.shift() : undefined),
  }));
  const found = [
    ...pairs.flatMap(({ file, earlier }) => fileChange(file, earlier)),
    ...unmatched.map(({ name }) => change(name, 'the run was trained with this file, which is missing now')),
  ];
  if (found.length > 0) return found;
  const renamed = pairs.find(({ file, earlier = file }) => basename(earlier.name) !== basename(file.name));
  if (renamed) {
    const message = 'the file was renamed after the run was trained, which changes the order of the data';
    return [change(renamed.file.name, message, { expected: renamed.earlier?.name })];
  }
  const first = now.findIndex(({ sha256 }, i) => sha256 !== then[i].sha256);
  const message = 'the data files are in another order than when the run was trained';
  return [change(now[first].name, message, { expected: then[first].name })];
}

/** @param earlier what the run was trained with in place of `file` */
function fileChange({ name, sha256, split }: DataFile, earlier: EarlierFile | undefined): Diagnostic[] {
  if (earlier === undefined) return [change(name, 'the file was added after the run was trained')];
  if (sha256 !== earlier.sha256) {
    const [expected, got] = [`SHA-256 ${earlier.sha256}`, sha256];
    return [change(name, 'the data have changed since the run was trained', { expected, got })];
  }
  if (split === earlier.split) return [];
  return [
    change(name, `the file was in the ${earlier.split} split when the run was trained`, { got: split }),
  ];
}

function change(file: string, message: string, more: Partial<Diagnostic> = {}): Diagnostic {
  return { code: 'run/data-changed', message, file, ...more };
}

/** Entries of `now` that are new or changed since `then`. */
export function digestChanges(now: Dataset['digests'], then: readonly EarlierFile[]): Dataset['digests'] {
  const known = new Map(then.map(({ name, sha256 }) => [name, sha256]));
  return now.filter(({ name, sha256 }) => known.get(name) !== sha256);
}
