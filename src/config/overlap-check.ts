/** Splits that have data in common, so that what is reported was trained on. */
import type { Diagnostic } from '../errors.js';
import type { LoadedExperiment } from './load.js';

/** What the check needs to know of a split. */
interface NamedSequences {
  readonly count: number;
  id?(index: number): string;
}

/** Sequences that a warning names. */
const MAX_NAMED = 3;

/**
 * Warns of files with the same bytes and of sequences with the same name in two splits.
 * @param splits by their names
 */
export function checkOverlap(
  loaded: LoadedExperiment,
  digests: readonly { readonly name: string; readonly sha256: string }[],
  splits: Readonly<Record<string, NamedSequences>>,
): Diagnostic[] {
  const copies = checkCopies(loaded, digests);
  return copies.length > 0 ? copies : checkNames(loaded, splits);
}

/** Files of labels may well be equal, such as those of balanced classes in their order. */
function checkCopies(
  { experiment: { dataset }, locator }: LoadedExperiment,
  digests: readonly { readonly name: string; readonly sha256: string }[],
): Diagnostic[] {
  const keys = new Map(Object.entries(dataset).map(([key, value]) => [value, key]));
  const files = digests.flatMap(({ name, sha256 }) => {
    const key = keys.get(name);
    return key === undefined || key.endsWith('_labels') ? [] : [{ key, sha256 }];
  });
  // the file that is trained on is not the one to complain of
  const isTrained = ({ key }: { readonly key: string }) => key === 'path' || key === 'train_images';
  const first = new Map<string, string>();
  return files
    .toSorted((a, b) => Number(isTrained(b)) - Number(isTrained(a)))
    .flatMap(({ key, sha256 }) => {
      const other = first.get(sha256);
      if (other === undefined) {
        first.set(sha256, key);
        return [];
      }
      const message = `the file of \`${key}\` has the same bytes as that of \`${other}\``;
      const expected = 'other sequences in each split';
      return [locator.atValue(['dataset', key], 'data/same-file', message, { expected })];
    });
}

/** Groups of csv data have names; those of two files may be parts of one recording. */
function checkNames(
  { locator }: LoadedExperiment,
  splits: Readonly<Record<string, NamedSequences>>,
): Diagnostic[] {
  const named = Object.entries(splits).flatMap(([name, { count, id }]) =>
    id === undefined ? [] : [[name, new Set(Array.from({ length: count }, (_, i) => id(i)))] as const],
  );
  return named.flatMap(([name, ids], i) =>
    named.slice(0, i).flatMap(([other, otherIds]) => {
      const common = [...ids].filter(id => otherIds.has(id));
      if (common.length === 0) return [];
      const words = common.slice(0, MAX_NAMED).map(id => JSON.stringify(id));
      const rest = common.length > MAX_NAMED ? ', …' : '';
      const groups = common.length === 1 ? '1 group is' : `${common.length} groups are`;
      const message = `${groups} in both the ${other} and the ${name} split: ${words.join(', ')}${rest}`;
      const expected = 'each group in one split, unless the files count their groups separately';
      return [locator.atValue(['dataset', 'sequence', 'group'], 'data/shared-groups', message, { expected })];
    }),
  );
}
