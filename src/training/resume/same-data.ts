/** Checks that a run's data have not changed. */
import { type Dataset, fitScaling, type Scaling } from '../../data/index.js';
import type { Manifest } from '../../experiment/manifest.js';
import { type Diagnostic, damagedError } from '../../util/errors.js';
import type { Fitted } from '../run/data.js';

/** A run's record of the data that it was trained on. */
export type RunData = Pick<Manifest, 'datasets' | 'data' | 'scaling' | 'changes'>;

/** Values that a run fitted on its training split; empty without a run. */
export function fittedBy(run: RunData | undefined): Fitted {
  return { scaling: run?.scaling, vocabulary: run?.data?.vocabulary };
}

/**
 * Checks that a dataset has the digests that a run recorded, and that a scaling fitted to its
 * training split equals the recorded one.
 * @throws UserError (exit 5) if one of them differs
 */
export function checkSameData(dataset: Dataset, run: RunData): void {
  checkDigests(dataset.digests, run.datasets);
  // a run resumed with other data keeps its original scaling
  const isFitted = !run.changes?.some(({ key }) => key.startsWith('dataset.'));
  if (isFitted) checkScaling(dataset);
}

/**
 * Maximum relative difference between two fits of the same numbers: their sums may be added in
 * another order.
 */
const TOLERANCE = 1e-9;

function checkScaling({ scaling, columns, digests }: Dataset): void {
  if (scaling === undefined || columns === undefined) return;
  const now = fitScaling(scaling.method, columns);
  for (const part of ['features', 'targets'] as const) {
    const [then, fitted] = [scaling[part], now[part]];
    const index = columns[part].findIndex((_, i) => !then || !fitted || isOther(then, fitted, i));
    if (index < 0) continue;
    throw damagedError({
      code: 'run/scaling-changed',
      message: `the scaling of ${columns[part][index].name} in manifest.json does not match the training split`,
      file: digests[0].name,
      expected: scalingWords(then, index),
      got: scalingWords(fitted, index),
    });
  }
}

function isOther(then: Scaling, now: Scaling, i: number): boolean {
  const size = Math.abs(now.scale[i]) + Math.abs(now.offset[i]);
  const differs = (a: number, b: number) => !(Math.abs(a - b) <= TOLERANCE * size);
  return differs(then.offset[i], now.offset[i]) || differs(then.scale[i], now.scale[i]);
}

function scalingWords(scaling: Scaling | null, i: number): string {
  return scaling === null ? 'none' : `offset ${scaling.offset[i]}, scale ${scaling.scale[i]}`;
}

type DataFile = Dataset['digests'][number];

/**
 * Checks that the same files are read in the same order. Their names may differ, since files may
 * have been moved.
 * @throws UserError (exit 5) for each file that was changed, added or removed since the run
 */
function checkDigests(now: Dataset['digests'], then: Dataset['digests']): void {
  if (now.length === then.length && now.every(({ sha256 }, i) => sha256 === then[i].sha256)) return;
  const problems = fileChanges(now, then);
  if (problems.length > 0) throw damagedError(...problems);
  throw damagedError({
    code: 'run/data-changed',
    message: 'the data files are in another order than when the run was trained',
    file: now[0].name,
    expected: then.map(({ name }) => name).join(', '),
    got: now.map(({ name }) => name).join(', '),
  });
}

/** A problem for each file that was changed, added or removed. */
function fileChanges(now: Dataset['digests'], then: Dataset['digests']): Diagnostic[] {
  const unmatched = [...then];
  const take = (index: number): DataFile | undefined =>
    index < 0 ? undefined : unmatched.splice(index, 1)[0];
  const others = now.filter(file => !take(unmatched.findIndex(({ sha256 }) => sha256 === file.sha256)));
  const names = new Set(then.map(({ name }) => name));
  const areMoved = now.length === then.length && !now.some(({ name }) => names.has(name));
  const changedOrAdded = others.map(({ name, sha256 }): Diagnostic => {
    const earlier = take(areMoved ? 0 : unmatched.findIndex(file => file.name === name));
    if (earlier) return changed(name, { expected: earlier.sha256, got: sha256 });
    return { code: 'run/data-changed', message: 'the file was added after the run was trained', file: name };
  });
  const removed = unmatched.map(({ name }) => ({
    code: 'run/data-changed',
    message: 'the run was trained with this file, which is missing now',
    file: name,
  }));
  return [...changedOrAdded, ...removed];
}

function changed(
  file: string,
  { expected, got }: { readonly expected: string; readonly got: string },
): Diagnostic {
  return {
    code: 'run/data-changed',
    message: 'the data have changed since the run was trained',
    file,
    expected: `SHA-256 ${expected}`,
    got,
  };
}

/** Entries of `now` that are new or changed since `then`. */
export function digestChanges(now: Dataset['digests'], then: Dataset['digests']): Dataset['digests'] {
  const known = new Map(then.map(({ name, sha256 }) => [name, sha256]));
  return now.filter(({ name, sha256 }) => known.get(name) !== sha256);
}
