/** Splits that have data in common, so that what is reported was trained on. */
import type { Diagnostic } from '../../util/errors.js';
import type { LoadedExperiment } from '../load.js';
import { type ComparedSequences, type SequenceShape, sharedSequences } from './equal-sequences.js';

/** What the check needs to know of a split. */
interface NamedSequences extends Partial<ComparedSequences> {
  readonly count: number;
  id?(index: number): string;
  /** Set if `id` is a place in a file, which says nothing about other files. */
  readonly idIsPlace?: true;
}

/** Sequences that a warning names. */
const MAX_NAMED = 3;

/**
 * Warns of files with the same bytes, of sequences with the same name in two splits, and of equal
 * sequences.
 * @param splits by their names; the first is trained on
 */
export function checkOverlap(
  loaded: LoadedExperiment,
  digests: readonly { readonly name: string; readonly sha256: string }[],
  splits: Readonly<Record<string, NamedSequences>>,
  shape: SequenceShape,
): Diagnostic[] {
  const copies = checkCopies(loaded, digests);
  if (copies.length > 0) return copies;
  const names = checkNames(loaded, splits);
  return names.length > 0 ? names : checkEqual(loaded, splits, shape);
}

/** Sequences without a name have nothing that a warning could tell, and are not compared. */
function checkEqual(
  { experiment: { dataset }, locator }: LoadedExperiment,
  splits: Readonly<Record<string, NamedSequences>>,
  shape: SequenceShape,
): Diagnostic[] {
  const compared = Object.entries(splits).flatMap(([name, { count, targets, read, id }]) =>
    targets && read && id ? [{ name, count, targets, read, id }] : [],
  );
  return sharedSequences(compared, shape).map(({ of, among, count, example }) => {
    const [is, sequences] = count === 1 ? ['is', 'sequence'] : ['are', 'sequences'];
    const message =
      `${count} ${sequences} of the ${of.name} split ${is} in the ${among.name} split too, with the same ` +
      `target: ${of.id(example.of)} equals ${among.id(example.among)}`;
    const expected = 'each sequence in one split';
    const [key] = Object.keys(dataset).filter(one => one === `${of.name}_path`);
    return locator.atValue(['dataset', key ?? 'path'], 'data/equal-sequences', message, { expected });
  });
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

/** Sequences have names; those of two files may be parts of one recording. */
function checkNames(
  { experiment: { dataset }, locator }: LoadedExperiment,
  splits: Readonly<Record<string, NamedSequences>>,
): Diagnostic[] {
  const [what, path] =
    dataset.kind === 'csv'
      ? (['group', ['dataset', 'sequence', 'group']] as const)
      : (['id', ['dataset']] as const);
  const named = Object.entries(splits).flatMap(([name, { count, id, idIsPlace }]) =>
    id === undefined || idIsPlace
      ? []
      : [[name, new Set(Array.from({ length: count }, (_, i) => id(i)))] as const],
  );
  return named.flatMap(([name, ids], i) =>
    named.slice(0, i).flatMap(([other, otherIds]) => {
      const common = [...ids].filter(id => otherIds.has(id));
      if (common.length === 0) return [];
      const words = common.slice(0, MAX_NAMED).map(id => JSON.stringify(id));
      const rest = common.length > MAX_NAMED ? ', …' : '';
      const shared = common.length === 1 ? `1 ${what} is` : `${common.length} ${what}s are`;
      const message = `${shared} in both the ${other} and the ${name} split: ${words.join(', ')}${rest}`;
      const expected = `each ${what} in one split, unless the splits count their ${what}s separately`;
      return [locator.atValue(path, `data/shared-${what}s`, message, { expected })];
    }),
  );
}
