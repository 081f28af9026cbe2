/** Dataset kind `npz`: NumPy arrays `x`, `y`, `lengths` and the same with `_test` in one archive. */
import { damagedError } from '../errors.js';
import type { Dataset } from './dataset.js';
import { readSource, type SourceFile } from './files.js';
import { type NpyArray, npyLayout, parseNpy } from './formats/npy.js';
import { readZip } from './formats/zip.js';
import type { DatasetContext, DatasetKind } from './kind.js';
import { type LabelFacts, labelFacts } from './labels.js';
import { expansionLimit } from './limits.js';
import { checkSameShape, type NpzSequences, sequencesOf } from './npz-arrays.js';
import { type Packed, packedSplit, selectSequences } from './packed.js';
import { configError, Problems } from './problems.js';
import { holdOut, limited, range } from './selection.js';

export interface NpzConfig {
  readonly kind: 'npz';
  readonly path: string;
  readonly limit?: number;
  /** Share of the sequences that tests, where the file has no `x_test`. Drawn by the experiment's seed. */
  readonly test_fraction?: number;
}

const ARRAYS = ['x', 'y', 'lengths', 'x_test', 'y_test', 'lengths_test'] as const;
type ArrayName = (typeof ARRAYS)[number];
type Arrays = ReadonlyMap<ArrayName, NpyArray>;

export const npz: DatasetKind<NpzConfig> = { open, facts: () => ({}), testDigests: 1 };

/**
 * Opens a file with `x` (`[N, T, F]` numbers, or `[N, T]` integers, which are symbols), `y` (`[N]`
 * or `[N, T]` integer classes, -100 = ignored, or `[N, C]` float targets) and optionally `lengths`
 * `[N]`; the test split is `x_test`, `y_test`, `lengths_test`, or a fraction.
 * @throws UserError exit 2 where the file cannot be read or the test split is not determined; exit
 * 5 where the archive is damaged, shapes do not fit, or a value is out of range (located by array
 * and index).
 */
async function open(config: NpzConfig, { seed }: DatasetContext): Promise<Dataset> {
  const source = await readSource(config.path);
  const arrays = readArrays(source);
  checkTestSplit(arrays, config);
  const { train, test, labels, input, largestSymbol } = splits(arrays, config, seed);
  return {
    input,
    sequenceLength: train.steps,
    train: packedSplit(train.packed, train.steps),
    test: packedSplit(test.packed, test.steps),
    digests: [{ name: source.name, sha256: source.sha256 }],
    labels,
    largestSymbol,
  };
}

function readArrays(source: SourceFile): Arrays {
  const names = new Map<string, ArrayName>(ARRAYS.map(name => [`${name}.npy`, name]));
  const found: string[] = [];
  const problems = new Problems();
  const unfit = new Set<string>();
  const members = readZip(source.bytes, source.name, {
    accepts: member => {
      found.push(member.replace(/\.npy$/, ''));
      return names.has(member);
    },
    maxBytes: expansionLimit(),
    // a member that expands to another size than its header says is not expanded at all
    fits: (member, head, bytes) => {
      const name = names.get(member) ?? 'x';
      if (problems.attempt(() => npyLayout(head, bytes, source.name, name)) === undefined) unfit.add(member);
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
        expected: 'x ([N, T, F] or [N, T]) and y ([N], [N, T] or [N, C]); x_test needs y_test',
        got: found.slice(0, 12).join(', ') || 'no arrays',
      });
    }
  }
  problems.throwIfAny();
  return arrays;
}

/** `x` and `y` always are; of the test arrays each of the two where any other one is there. */
function isRequired(name: ArrayName, found: readonly string[]): boolean {
  if (name === 'x' || name === 'y') return true;
  if (name === 'lengths' || name === 'lengths_test') return false;
  return found.some(other => other === 'x_test' || other === 'y_test' || other === 'lengths_test');
}

function checkTestSplit(arrays: Arrays, config: NpzConfig): void {
  const inFile = arrays.has('x_test');
  if (inFile === (config.test_fraction !== undefined)) {
    throw configError({
      code: 'data/test-split',
      keyPath: ['dataset', inFile ? 'test_fraction' : 'path'],
      message: inFile
        ? `${config.path} has x_test, so dataset.test_fraction must not be given`
        : `${config.path} has no x_test, so it does not say which sequences test`,
      expected: inFile ? undefined : 'arrays x_test and y_test, or dataset.test_fraction',
    });
  }
}

function splits(
  arrays: Arrays,
  config: NpzConfig,
  seed: number,
): { train: NpzSequences; test: NpzSequences; labels?: LabelFacts } & Pick<
  Dataset,
  'input' | 'largestSymbol'
> {
  const problems = new Problems();
  const read = (suffix: '' | '_test') =>
    problems.attempt(() =>
      sequencesOf(
        {
          x: required(arrays, `x${suffix}`),
          y: required(arrays, `y${suffix}`),
          lengths: arrays.get(`lengths${suffix}`),
        },
        suffix,
        config.path,
      ),
    );
  const all = read('');
  const given = arrays.has('x_test') ? read('_test') : undefined;
  problems.throwIfAny();
  if (all === undefined) throw damagedError({ code: 'data/npz', message: 'no sequences', file: config.path });
  if (given !== undefined) checkSameShape(all, given, config.path);
  const chosen =
    given === undefined
      ? holdOut(all.packed.starts.length, config.test_fraction ?? 0, seed, config.path)
      : { train: range(all.packed.starts.length), test: range(given.packed.starts.length) };
  const numClasses = Math.max(classesOf(all), given === undefined ? 0 : classesOf(given));
  const pick = (from: NpzSequences, indices: Uint32Array): NpzSequences => ({
    ...from,
    packed: withClasses(selectSequences(from.packed, indices, from.steps), numClasses),
  });
  return {
    train: pick(all, limited(chosen.train, config.limit)),
    test: pick(given ?? all, chosen.test),
    labels: all.labels && labelFacts(all.labels, given?.labels),
    ...(given !== undefined && symbolsOf(given) > symbolsOf(all) ? inputOf(given) : inputOf(all)),
  };
}

function symbolsOf({ input }: NpzSequences): number {
  return input.kind === 'symbol' ? input.count : 0;
}

function inputOf({ input, largestSymbol }: NpzSequences): Pick<Dataset, 'input' | 'largestSymbol'> {
  return { input, largestSymbol };
}

function required(arrays: Arrays, name: ArrayName): NpyArray {
  const array = arrays.get(name);
  if (array === undefined) throw new Error(`array ${name} was checked to be there`);
  return array;
}

function classesOf({ packed }: NpzSequences): number {
  return packed.targets.kind === 'class' ? packed.targets.numClasses : 0;
}

/** Both splits count the classes of both. */
function withClasses(packed: Packed, numClasses: number): Packed {
  return packed.targets.kind === 'class' ? { ...packed, targets: { ...packed.targets, numClasses } } : packed;
}
