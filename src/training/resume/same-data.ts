/** Whether the data are still those of a run. */
import { type Dataset, fitScaling, type Scaling } from '../../data/index.js';
import type { Manifest } from '../../experiment/manifest.js';
import { damagedError } from '../../util/errors.js';
import type { Fitted } from '../run/data.js';

/** What a run says of the data that it was trained on. */
export type RunData = Pick<Manifest, 'datasets' | 'data' | 'scaling' | 'changes'>;

/** What a run fitted on its training split; nothing without a run. */
export function fittedBy(run: RunData | undefined): Fitted {
  return { scaling: run?.scaling, vocabulary: run?.data?.vocabulary };
}

/**
 * Checks that a dataset is the one that a run read, and that its training split still fits the
 * scaling that the run was trained with.
 * @throws UserError (exit 5) if one of them is not
 */
export function checkSameData(dataset: Dataset, run: RunData): void {
  checkDigests(dataset.digests, run.datasets);
  // a run that went on with other data keeps the scaling that its weights began with
  const isFitted = !run.changes?.some(({ key }) => key.startsWith('dataset.'));
  if (isFitted) checkScaling(dataset);
}

/**
 * How far two fits of the same numbers may lie apart, as a share: sums may be added in another
 * order.
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

/**
 * A file that the manifest does not know has been moved: it is the one in its place there.
 * @throws UserError (exit 5) if one of `now` has another digest than in the run's manifest
 */
function checkDigests(now: Dataset['digests'], then: Dataset['digests']): void {
  const known = new Map(then.map(({ name, sha256 }) => [name, sha256]));
  const changed = now.flatMap(({ name, sha256 }, place) => {
    const expected = known.get(name) ?? then.at(place)?.sha256;
    return expected === undefined || expected === sha256 ? [] : [{ name, sha256, expected }];
  });
  if (changed.length === 0) return;
  throw damagedError(
    ...changed.map(({ name, sha256, expected }) => ({
      code: 'run/data-changed',
      message: 'the data have changed since the run was trained',
      file: name,
      expected: `SHA-256 ${expected}`,
      got: sha256,
    })),
  );
}

/** Those of `now` that were others, or were not there. */
export function digestChanges(now: Dataset['digests'], then: Dataset['digests']): Dataset['digests'] {
  const known = new Map(then.map(({ name, sha256 }) => [name, sha256]));
  return now.filter(({ name, sha256 }) => known.get(name) !== sha256);
}
