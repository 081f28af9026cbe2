/** Dataset kind `npy`: the arrays of an `npz` dataset, each in its own file. */

import * as key from '../util/schema.js';
import { numpyDataset, type SplitsArrays, SUFFIXES } from './array-dataset.js';
import { numpySequences } from './array-sequences.js';
import {
  ARRAY_SYMBOLS,
  arrayInMemory,
  arrayOnDisk,
  type FileArray,
  type FileTexts,
  type PendingSequences,
  type SplitArrays,
  type Suffix,
  textsInMemory,
  textsOnDisk,
} from './arrays.js';
import { type Dataset, IGNORED, splitFiles } from './core/dataset.js';
import type { DatasetContext, DatasetKind } from './core/pipeline.js';
import { configError, Problems } from './core/problems.js';
import type { NormalizeConfig } from './core/scaling.js';
import type { TrainingPartConfig } from './core/selection.js';
import { DATA, limit, memory, normalize, obtain, testFraction, validation } from './core/settings.js';
import { type MemoryConfig, readContent, staysOnDisk } from './reading/files.js';
import { MAX_BYTES } from './reading/limits.js';
import { RangedFile } from './reading/ranged-file.js';
import { RowFeed } from './reading/row-feed.js';

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

const settings = key.section(
  {
    kind: key.literal('npy', {
      description: 'NumPy arrays in files of their own.',
      examples: ['npy'],
      ...DATA,
    }),
    x: key.text({
      description: 'The sequences: [N,T,F] numbers or [N,T] integer symbols.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/x.npy'],
      path: true,
      required: true,
      ...DATA,
    }),
    y: key.text({
      description:
        'The targets: [N] or [N,T] integer classes, -100 = ignored, or [N,C] or [N,T,C] float targets, NaN = ignored step.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/y.npy'],
      path: true,
      required: true,
      ...DATA,
    }),
    lengths: key.text({
      description: 'Steps of each sequence, [N]; without it all have T.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/lengths.npy'],
      path: true,
      ...DATA,
    }),
    ids: key.text({
      description: 'What the sequences are called: texts or integers [N].',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/ids.npy'],
      path: true,
      ...DATA,
    }),
    x_validation: key.text({
      description: 'The `x` of the validation split.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/x_validation.npy'],
      path: true,
      ...DATA,
    }),
    y_validation: key.text({
      description: 'The `y` of the validation split.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/y_validation.npy'],
      path: true,
      ...DATA,
    }),
    lengths_validation: key.text({
      description: 'The `lengths` of the validation split.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/lengths_validation.npy'],
      path: true,
      ...DATA,
    }),
    ids_validation: key.text({
      description: 'The `ids` of the validation split.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/ids_validation.npy'],
      path: true,
      ...DATA,
    }),
    x_test: key.text({
      description: 'The `x` of the test split.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/x_test.npy'],
      path: true,
      ...DATA,
    }),
    y_test: key.text({
      description: 'The `y` of the test split.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/y_test.npy'],
      path: true,
      ...DATA,
    }),
    lengths_test: key.text({
      description: 'The `lengths` of the test split.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/lengths_test.npy'],
      path: true,
      ...DATA,
    }),
    ids_test: key.text({
      description: 'The `ids` of the test split.',
      minLength: 1,
      maxLength: 4096,
      examples: ['data/ids_test.npy'],
      path: true,
      ...DATA,
    }),
    test_fraction: testFraction,
    normalize: normalize,
    validation: validation,
    memory: memory,
    obtain: obtain,
    limit: limit,
  },
  { title: 'NpyDataset', description: 'The arrays of a NumPy archive, each in an .npy file, raw or gzip.' },
);

export const npy: DatasetKind<NpyConfig, typeof settings> = {
  settings,
  open,
  facts: () => ({}),
  newSequences: (_, data) => numpySequences(data),
  leaks: () => [],
  normalize: 'columns',
  validationKeys: ['x_validation', 'y_validation', 'lengths_validation', 'ids_validation'],
  hasTestFile: false,
  hasSeed: false,
  symbols: ARRAY_SYMBOLS,
  dividesItself: false,
  expandsPaths: false,
};

type ArrayName = 'x' | 'y' | 'lengths' | 'ids';
const ARRAYS: readonly ArrayName[] = ['y', 'lengths', 'ids', 'x'];

/** The files of one split. */
type SplitFiles = Readonly<Partial<Record<ArrayName, string | undefined>>>;

/**
 * Opens files with the arrays that `npz` reads from an archive.
 * @throws UserError (exit 2) if a file cannot be read or the splits are not defined
 * @throws UserError (exit 5) if a file is damaged, shapes do not match or a value is out of range
 */
async function open(config: NpyConfig, { seed, ignoredLabel = IGNORED }: DatasetContext): Promise<Dataset> {
  const files = SUFFIXES.map(suffix => filesOf(config, suffix));
  const paths = files.map(pathsOf);
  checkTestSplit(config, paths[2].length > 0);
  const reader = (await staysOnDisk(paths.flat(), config, MAX_BYTES)) ? diskReader() : memoryReader();
  const problems = new Problems();
  const attempt = async <T>(read: Promise<T>): Promise<T | undefined> => {
    try {
      return await read;
    } catch (error) {
      return problems.attempt(() => {
        throw error;
      });
    }
  };
  const splits: Partial<Record<Suffix, SplitArrays>> = {};
  for (const [i, suffix] of SUFFIXES.entries()) {
    const open = async <T>(array: ArrayName, read: (path: string, name: string) => Promise<T>) => {
      const path = files[i][array];
      return path === undefined ? undefined : attempt(read(path, array + suffix));
    };
    const [x, y] = [await open('x', reader.array), await open('y', reader.array)];
    const [lengths, ids] = [await open('lengths', reader.array), await open('ids', reader.texts)];
    if (x && y) splits[suffix] = { x, y, lengths, ids };
  }
  problems.throwIfAny();
  const { test_fraction: testFraction } = config;
  const dataset = await numpyDataset(splits as SplitsArrays, {
    ...{ testFraction, seed, ignored: ignoredLabel },
    ...(reader.scan && { scan: reader.scan }),
  });
  const [train, validation, test] = paths.map(ofSplit =>
    ofSplit.length === 0
      ? undefined
      : ofSplit.map(name => ({ name, sha256: reader.digests.get(name) ?? '' })),
  );
  return { ...dataset, digests: splitFiles({ train: train ?? [], validation, test }) };
}

/** Opens the files of arrays; they are damaged if it throws (exit 5). */
interface Reader {
  array(path: string, name: string): Promise<FileArray>;
  texts(path: string, name: string): Promise<FileTexts>;
  /** Reads all files, if they have not been read yet, and runs the checks of their rows. */
  scan?(checks: PendingSequences['checks']): Promise<void>;
  /** SHA-256 of each file that has been read. */
  readonly digests: ReadonlyMap<string, string>;
}

function memoryReader(): Reader {
  const digests = new Map<string, string>();
  const bytesOf = async (path: string): Promise<Uint8Array> => {
    const { bytes, sha256 } = await readContent(path, MAX_BYTES);
    digests.set(path, sha256);
    return bytes;
  };
  return {
    array: async (path, name) => arrayInMemory(await bytesOf(path), path, name),
    texts: async (path, name) => textsInMemory(await bytesOf(path), path, name),
    digests,
  };
}

function diskReader(): Reader {
  const digests = new Map<string, string>();
  const files: RangedFile[] = [];
  const opened = async (path: string): Promise<RangedFile> => {
    const file = await RangedFile.open(path);
    files.push(file);
    return file;
  };
  return {
    async array(path, name) {
      const file = await opened(path);
      return arrayOnDisk(file, 0, file.size, name);
    },
    async texts(path, name) {
      const file = await opened(path);
      return textsOnDisk(file, 0, file.size, name);
    },
    async scan(checks) {
      for (const file of files) {
        const feed = new RowFeed(checks.filter(({ array }) => array.file.name === file.name));
        digests.set(file.name, await file.scan((piece, from) => feed.piece(piece, from)));
      }
    },
    digests,
  };
}

/**
 * Returns the files of a split; none if it is not defined.
 * @throws UserError (exit 2) if `x` or `y` is missing
 */
function filesOf(config: NpyConfig, suffix: Suffix): SplitFiles {
  const files: SplitFiles = Object.fromEntries(ARRAYS.map(array => [array, config[`${array}${suffix}`]]));
  const given = ARRAYS.find(array => files[array] !== undefined);
  if (given === undefined || (files.x !== undefined && files.y !== undefined)) return files;
  throw configError({
    code: 'data/npy-arrays',
    keyPath: ['dataset', `${given}${suffix}`],
    message: `\`${given}${suffix}\` needs \`${files.x === undefined ? 'x' : 'y'}${suffix}\` as well`,
  });
}

function pathsOf(files: SplitFiles): string[] {
  return ARRAYS.flatMap(array => files[array] ?? []);
}

function checkTestSplit({ test_fraction }: NpyConfig, hasFiles: boolean): void {
  if (hasFiles === (test_fraction === undefined)) return;
  throw configError({
    code: 'data/test-split',
    keyPath: hasFiles ? ['dataset', 'test_fraction'] : ['dataset'],
    message: hasFiles
      ? 'dataset.x_test and dataset.test_fraction exclude each other'
      : 'the config does not say which sequences are for testing',
    expected: 'either dataset.x_test and dataset.y_test, or dataset.test_fraction',
  });
}
