/**
 * Dataset kind `npz`: NumPy arrays `x`, `y`, `lengths`, `ids` and the same with `_test` in one
 * archive.
 */
import { damagedError } from '../../util/errors.js';
import type { Dataset, Split } from '../dataset.js';
import { checkNpyLayout, type NpyArray, parseNpy, parseNpyTexts } from '../formats/npy.js';
import { readZip } from '../formats/zip.js';
import type { DatasetContext, DatasetKind } from '../kind.js';
import { type FileLabels, labelFacts } from '../labels.js';
import { type Packed, packedSplit, selectSequences } from '../packed.js';
import { configError, Problems } from '../problems.js';
import { readSource, type SourceFile } from '../reading/files.js';
import { expansionLimit } from '../reading/limits.js';
import type { NormalizeConfig } from '../scaling.js';
import { holdOut, range } from '../selection.js';
import type { TrainingPartConfig } from '../training-part.js';
import { checkSameShape, type NpzSequences, sequencesOf } from './arrays.js';
import { numpySequences } from './sequences.js';

export interface NpzConfig extends TrainingPartConfig, NormalizeConfig {
  readonly kind: 'npz';
  readonly path: string;
  /**
   * Share of the sequences that tests, where the file has no `x_test`. Drawn by the experiment's
   * seed.
   */
  readonly test_fraction?: number;
  /** Whether `x_validation` and its like are the validation split; needed if the file has them. */
  readonly validation_arrays?: boolean;
}

/** What the names of a split's arrays end with. */
type Suffix = '' | '_validation' | '_test';
type ArrayName = `${'x' | 'y' | 'lengths'}${Suffix}`;
const ARRAYS: readonly ArrayName[] = (['', '_validation', '_test'] as const).flatMap(
  suffix => [`x${suffix}`, `y${suffix}`, `lengths${suffix}`] as const,
);
/** What the sequences are called: texts or integers `[N]`. */
type IdsName = `ids${Suffix}`;
const IDS: readonly IdsName[] = ['ids', 'ids_validation', 'ids_test'];

interface Arrays {
  readonly numbers: ReadonlyMap<ArrayName, NpyArray>;
  readonly ids: ReadonlyMap<IdsName, readonly string[]>;
}

export const npz: DatasetKind<NpzConfig> = {
  open,
  facts: () => ({}),
  testDigests: 1,
  newSequences: (_, data) => numpySequences(data),
};

/**
 * Opens a file with `x` (`[N, T, F]` numbers, or `[N, T]` integers, which are symbols), `y` (`[N]`
 * or `[N, T]` integer classes, -100 = ignored, or `[N, C]` float targets) and optionally `lengths`
 * `[N]` and `ids` `[N]`; the test split is the same with `_test`, or a fraction. Validation
 * sequences may stand in the same with `_validation`.
 * @throws UserError (exit 2) if the file cannot be read or the test split is not determined; exit 5
 *   where the archive is damaged, shapes do not fit, or a value is out of range (located by array
 *   and index).
 */
async function open(config: NpzConfig, context: DatasetContext): Promise<Dataset> {
  const source = await readSource(config.path);
  const arrays = readArrays(source);
  checkTestSplit(arrays, config);
  checkValidationArrays(arrays, config);
  return {
    ...splits(arrays, config, context),
    digests: [{ name: source.name, sha256: source.sha256 }],
  };
}

function readArrays(source: SourceFile): Arrays {
  const names = new Map<string, ArrayName>(ARRAYS.map(name => [`${name}.npy`, name]));
  const idsNames = new Map<string, IdsName>(IDS.map(name => [`${name}.npy`, name]));
  const found: string[] = [];
  const problems = new Problems();
  const unfit = new Set<string>();
  const members = readZip(source.bytes, source.name, {
    accepts: member => {
      found.push(member.replace(/\.npy$/, ''));
      return names.has(member) || idsNames.has(member);
    },
    maxBytes: expansionLimit(),
    // a member that expands to another size than its header says is not expanded at all
    fits: (member, head, bytes) => {
      const ids = idsNames.get(member);
      const name = ids ?? names.get(member) ?? 'x';
      const check = () => {
        checkNpyLayout(head, bytes, source.name, name, { texts: ids !== undefined });
        return true;
      };
      if (problems.attempt(check) === undefined) unfit.add(member);
      return !unfit.has(member);
    },
  });
  const arrays = new Map<ArrayName, NpyArray>();
  for (const [member, name] of names) {
    const bytes = members.get(member);
    const array = bytes && problems.attempt(() => parseNpy(bytes, source.name, name));
    if (array) arrays.set(name, array);
    else if (bytes === undefined && !unfit.has(member) && isRequired(name, found)) {
      problems.add({
        code: 'data/npz-missing',
        message: `the file has no array ${name}`,
        file: source.name,
        expected:
          'x ([N, T, F] or [N, T]) and y ([N], [N, T] or [N, C]); x_test needs y_test, x_validation y_validation',
        got: found.slice(0, 12).join(', ') || 'no arrays',
      });
    }
  }
  const ids = new Map<IdsName, readonly string[]>();
  for (const [member, name] of idsNames) {
    const bytes = members.get(member);
    const texts = bytes && problems.attempt(() => parseNpyTexts(bytes, source.name, name));
    if (texts) ids.set(name, texts);
  }
  problems.throwIfAny();
  return { numbers: arrays, ids };
}

/** `x` and `y` always are; of another split's arrays each of the two if any other one is there. */
function isRequired(name: ArrayName, found: readonly string[]): boolean {
  const [array, split] = name.split('_');
  if (array === 'lengths') return false;
  return split === undefined || found.some(other => ARRAY_OF_SPLIT.exec(other)?.[1] === split);
}

const ARRAY_OF_SPLIT = /^(?:x|y|lengths|ids)_(validation|test)$/;

function checkTestSplit({ numbers }: Arrays, config: NpzConfig): void {
  const inFile = numbers.has('x_test');
  if (inFile === (config.test_fraction !== undefined)) {
    throw configError({
      code: 'data/test-split',
      keyPath: ['dataset', inFile ? 'test_fraction' : 'path'],
      message: inFile
        ? `${config.path} has x_test, so remove dataset.test_fraction`
        : `${config.path} has no x_test, so the test split is not defined`,
      expected: inFile ? undefined : 'arrays x_test and y_test, or dataset.test_fraction',
    });
  }
}

/**
 * A config alone must tell whether there is a validation split, since its defaults depend on that.
 */
function checkValidationArrays({ numbers }: Arrays, { path, validation_arrays }: NpzConfig): void {
  const inFile = numbers.has('x_validation');
  if (inFile && validation_arrays === undefined) {
    throw configError({
      code: 'data/validation-split',
      keyPath: ['dataset', 'path'],
      message: `${path} has x_validation, but the config does not say whether to use it`,
      expected: 'dataset.validation_arrays: true, or false to ignore it',
    });
  }
  if (!inFile && validation_arrays) {
    throw configError({
      code: 'data/validation-split',
      keyPath: ['dataset', 'validation_arrays'],
      message: `${path} has no x_validation`,
      expected: 'arrays x_validation and y_validation, or dataset.validation: { fraction: 0.1 }',
    });
  }
}

function splits(
  { numbers, ids }: Arrays,
  config: NpzConfig,
  { seed, ignoredLabel }: DatasetContext,
): Omit<Dataset, 'digests'> {
  const problems = new Problems();
  const read = (suffix: Suffix): NpzSequences | undefined => {
    const x = numbers.get(`x${suffix}`);
    const y = numbers.get(`y${suffix}`);
    const lengths = numbers.get(`lengths${suffix}`);
    return (
      x && y && problems.attempt(() => sequencesOf({ x, y, lengths }, suffix, config.path, ignoredLabel))
    );
  };
  const all = read('');
  const validation = config.validation_arrays ? read('_validation') : undefined;
  const given = read('_test');
  problems.throwIfAny();
  if (all === undefined) throw damagedError({ code: 'data/npz', message: 'no sequences', file: config.path });
  for (const [suffix, sequences] of [
    ['', all],
    ['_validation', validation],
    ['_test', given],
  ] as const) {
    const names = ids.get(`ids${suffix}`);
    if (sequences && names) checkIds(names, sequences.packed.starts.length, suffix, config.path);
  }
  const others = [validation, given].filter(split => split !== undefined);
  if (validation !== undefined) checkSameShape(all, validation, '_validation', config.path);
  if (given !== undefined) checkSameShape(all, given, '_test', config.path);
  const numClasses = Math.max(...[all, ...others].map(classesOf));
  const split = (suffix: Suffix, { packed }: NpzSequences, indices?: Uint32Array): Split => {
    const chosen = indices === undefined ? packed : selectSequences(packed, indices, all.steps);
    const rows = indices ?? range(packed.starts.length);
    return {
      ...packedSplit(withClasses(chosen, numClasses), all.steps),
      ...namesOf(rows, suffix, ids.get(`ids${suffix}`)),
    };
  };
  const heldOut =
    given === undefined
      ? holdOut(all.packed.starts.length, config.test_fraction ?? 0, seed, config.path)
      : undefined;
  const { input, largestSymbol } = others.reduce((a, b) => (symbolsOf(b) > symbolsOf(a) ? b : a), all);
  return {
    input,
    sequenceLength: all.steps,
    train: split('', all, heldOut?.train),
    ...(validation && { validation: split('_validation', validation) }),
    test: given === undefined ? split('', all, heldOut?.test) : split('_test', given),
    columnNames: { features: i => `x[:, :, ${i}]`, targets: i => `y[:, ${i}]` },
    labels: all.labels && labelFacts(all.labels, ...labelsOf(others)),
    largestSymbol,
  };
}

/** One for each sequence. */
function checkIds(ids: readonly string[], count: number, suffix: Suffix, file: string): void {
  if (ids.length === count) return;
  throw damagedError({
    code: 'data/shape-mismatch',
    message: `array ids${suffix} does not fit array x${suffix}`,
    file,
    expected: `[${count}]`,
    got: `[${ids.length}]`,
  });
}

/** What the rows of an array are called: by the archive's ids, else by their place in it. */
function namesOf(
  rows: Uint32Array,
  suffix: Suffix,
  ids: readonly string[] | undefined,
): Pick<Split, 'id' | 'idIsPlace'> {
  if (ids) return { id: index => ids[rows[index]] };
  return { id: index => `x${suffix}[${rows[index]}]`, idIsPlace: true };
}

function labelsOf(splits: readonly NpzSequences[]): FileLabels[] {
  return splits.map(({ labels }) => labels).filter(labels => labels !== undefined);
}

function symbolsOf({ input }: NpzSequences): number {
  return input.kind === 'symbol' ? input.count : 0;
}

function classesOf({ packed }: NpzSequences): number {
  return packed.targets.kind === 'class' ? packed.targets.numClasses : 0;
}

/** Every split counts the classes of all. */
function withClasses(packed: Packed, numClasses: number): Packed {
  return packed.targets.kind === 'class' ? { ...packed, targets: { ...packed.targets, numClasses } } : packed;
}
