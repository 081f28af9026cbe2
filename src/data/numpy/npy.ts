/** Dataset kind `npy`: the arrays of an `npz` dataset, each in its own file. */
import { type Dataset, IGNORED, splitFiles } from '../dataset.js';
import { parseNpy, parseNpyTexts } from '../formats/npy.js';
import type { DatasetContext, DatasetKind } from '../kind.js';
import { configError, Problems } from '../problems.js';
import { readContent } from '../reading/files.js';
import { MAX_BYTES } from '../reading/limits.js';
import { type MemoryConfig, staysOnDisk } from '../reading/memory.js';
import { RangedFile } from '../reading/ranged-file.js';
import { RowFeed } from '../reading/row-feed.js';
import type { NormalizeConfig } from '../scaling.js';
import type { TrainingPartConfig } from '../training-part.js';
import { type ArraySource, sequencesOf } from './arrays.js';
import { finish, numpyDataset, type Part, type Parts, type Suffix } from './dataset.js';
import { numpySequences } from './sequences.js';
import { pendingSequences, storedArray, wholeTexts } from './stored.js';

type ArrayFiles = {
  readonly [Name in `${'x' | 'y' | 'lengths' | 'ids'}${'_validation' | '_test'}`]?: string;
};

export interface NpyConfig extends TrainingPartConfig, NormalizeConfig, MemoryConfig, ArrayFiles {
  readonly kind: 'npy';
  readonly x: string;
  readonly y: string;
  readonly lengths?: string;
  readonly ids?: string;
  /** Fraction of the sequences to hold out for testing, if there is no `x_test`. */
  readonly test_fraction?: number;
}

export const npy: DatasetKind<NpyConfig> = {
  open,
  facts: () => ({}),
  newSequences: (_, data) => numpySequences(data),
};

/** The files of one split. */
interface SplitFiles {
  readonly suffix: Suffix;
  readonly x: string;
  readonly y: string;
  readonly lengths?: string | undefined;
  readonly ids?: string | undefined;
}

type ArrayName = 'x' | 'y' | 'lengths' | 'ids';
const ARRAYS: readonly ArrayName[] = ['y', 'lengths', 'ids', 'x'];

function pathsOf(files: SplitFiles | undefined): string[] {
  return ARRAYS.flatMap(array => files?.[array] ?? []);
}

/**
 * Opens files with the arrays that {@link npz} reads from an archive.
 * @throws UserError (exit 2) if a file cannot be read or the splits are not defined
 * @throws UserError (exit 5) if a file is damaged, shapes do not match or a value is out of range
 */
async function open(config: NpyConfig, { seed, ignoredLabel = IGNORED }: DatasetContext): Promise<Dataset> {
  const train = filesOfSplit(config, '') as SplitFiles;
  const [validation, test] = [filesOfSplit(config, '_validation'), filesOfSplit(config, '_test')];
  checkTestSplit(config, test);
  const splits = { train, validation, test };
  const paths = [train, validation, test].flatMap(pathsOf);
  const sourceOf = ({ suffix, ...files }: SplitFiles): Part<never>['source'] => ({
    suffix,
    fileOf: array => files[array] ?? files.x,
    ignored: ignoredLabel,
  });
  const read = (await staysOnDisk(paths, config, MAX_BYTES)) ? fromDisk : fromMemory;
  const { parts, digests } = await read(splits, sourceOf);
  const filesOf = (files: SplitFiles) =>
    pathsOf(files).map(name => ({ name, sha256: digests.get(name) ?? '' }));
  return {
    ...numpyDataset(parts, config.test_fraction, seed),
    digests: splitFiles({
      train: filesOf(train),
      validation: validation && filesOf(validation),
      test: test && filesOf(test),
    }),
  };
}

type Splits = Readonly<Partial<Record<'validation' | 'test', SplitFiles | undefined>>> & {
  readonly train: SplitFiles;
};
type SourceOf = (files: SplitFiles) => ArraySource & { readonly suffix: Suffix };
interface Read {
  readonly parts: Parts<ReturnType<typeof sequencesOf>>;
  /** SHA-256 of each file. */
  readonly digests: ReadonlyMap<string, string>;
}

async function fromMemory(splits: Splits, sourceOf: SourceOf): Promise<Read> {
  const digests = new Map<string, string>();
  const bytesOf = async (path: string): Promise<Uint8Array> => {
    const { bytes, sha256 } = await readContent(path, MAX_BYTES);
    digests.set(path, sha256);
    return bytes;
  };
  const parts = await eachSplit(splits, async (files, problems) => {
    const source = sourceOf(files);
    const array = async (name: Exclude<ArrayName, 'ids'>) => {
      const path = files[name];
      const bytes = path === undefined ? undefined : await bytesOf(path);
      return bytes && problems.attempt(() => parseNpy(bytes, path ?? '', `${name}${files.suffix}`));
    };
    const [x, y, lengths] = [await array('x'), await array('y'), await array('lengths')];
    const idBytes = files.ids === undefined ? undefined : await bytesOf(files.ids);
    const ids =
      idBytes && problems.attempt(() => parseNpyTexts(idBytes, files.ids ?? '', `ids${files.suffix}`));
    if (!x || !y || problems.all.length > 0) return undefined;
    const sequences = problems.attempt(() => sequencesOf({ x, y, lengths }, source));
    return sequences && { source, sequences, ids };
  });
  return { parts, digests };
}

async function fromDisk(splits: Splits, sourceOf: SourceOf): Promise<Read> {
  const digests = new Map<string, string>();
  const pending = await eachSplit(splits, async (files, problems) => {
    const source = sourceOf(files);
    const { suffix } = files;
    const opened = async (path: string | undefined) =>
      path === undefined ? undefined : await RangedFile.open(path);
    const array = (file: RangedFile | undefined, name: string) =>
      file && problems.attempt(() => storedArray(file, 0, file.size, `${name}${suffix}`));
    const [xFile, yFile] = [await opened(files.x), await opened(files.y)];
    const [lengthsFile, idsFile] = [await opened(files.lengths), await opened(files.ids)];
    const [x, y, lengths] = [array(xFile, 'x'), array(yFile, 'y'), array(lengthsFile, 'lengths')];
    const ids = idsFile && problems.attempt(() => wholeTexts(idsFile, 0, idsFile.size, `ids${suffix}`));
    if (!x || !y || problems.all.length > 0) return undefined;
    const sequences = problems.attempt(() => pendingSequences({ x, y, lengths }, source));
    if (!sequences) return undefined;
    for (const file of [xFile, yFile, lengthsFile, idsFile]) {
      if (file === undefined) continue;
      const feed = new RowFeed(sequences.checks.filter(({ array: of }) => of.file.name === file.name));
      digests.set(file.name, await file.scan((piece, from) => feed.piece(piece, from)));
    }
    return { source, sequences, ids };
  });
  return { parts: finish(pending, one => one.finish()), digests };
}

/**
 * Reads the splits that exist.
 * @throws UserError (exit 5) if a split is invalid, with the problems of all splits
 */
async function eachSplit<S>(
  splits: Splits,
  read: (files: SplitFiles, problems: Problems) => Promise<Part<S> | undefined>,
): Promise<Parts<S>> {
  const problems = new Problems();
  const one = async (files: SplitFiles | undefined) => {
    if (!files) return undefined;
    const own = new Problems();
    const part = await read(files, own);
    problems.add(...own.all);
    return part;
  };
  const [train, validation, test] = [
    await one(splits.train),
    await one(splits.validation),
    await one(splits.test),
  ];
  problems.throwIfAny();
  return { train: train as Part<S>, validation, test };
}

/**
 * Returns the files of a split; undefined if it has none.
 * @throws UserError (exit 2) if `x` or `y` is missing
 */
function filesOfSplit(config: NpyConfig, suffix: Suffix): SplitFiles | undefined {
  const path = (array: ArrayName): string | undefined => config[`${array}${suffix}`];
  const [x, y, lengths, ids] = [path('x'), path('y'), path('lengths'), path('ids')];
  const given = ARRAYS.filter(array => path(array) !== undefined);
  if (given.length === 0) return undefined;
  if (x !== undefined && y !== undefined) return { suffix, x, y, lengths, ids };
  throw configError({
    code: 'data/npy-arrays',
    keyPath: ['dataset', `${given[0]}${suffix}`],
    message: `\`${given[0]}${suffix}\` needs \`${x === undefined ? 'x' : 'y'}${suffix}\` as well`,
  });
}

function checkTestSplit({ test_fraction }: NpyConfig, test: SplitFiles | undefined): void {
  if ((test === undefined) !== (test_fraction === undefined)) return;
  throw configError({
    code: 'data/test-split',
    keyPath: test ? ['dataset', 'test_fraction'] : ['dataset'],
    message: test
      ? 'dataset.x_test and dataset.test_fraction exclude each other'
      : 'the config does not say which sequences test',
    expected: 'either dataset.x_test and dataset.y_test, or dataset.test_fraction',
  });
}
