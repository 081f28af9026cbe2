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
import {
  file,
  givenFile,
  kind,
  limit,
  memory,
  normalize,
  obtain,
  testFraction,
  validation,
} from './core/settings.js';
import { readContent, staysOnDisk } from './reading/files.js';
import { MAX_BYTES } from './reading/limits.js';
import { RangedFile } from './reading/ranged-file.js';
import { RowFeed } from './reading/row-feed.js';

const ofSplit = (array: string, split: string) =>
  file({
    description: `The \`${array}\` of the ${split} split.`,
    examples: [`data/${array}_${split}.npy`],
  });

const settings = key.section(
  {
    kind: kind('npy', 'NumPy arrays in files of their own.'),
    x: givenFile({
      description: 'The sequences: [N,T,F] numbers or [N,T] integer symbols.',
      examples: ['data/x.npy'],
    }),
    y: givenFile({
      description:
        'The targets: [N] or [N,T] integer classes, -100 = ignored, or [N,C] or [N,T,C] float targets, NaN = ignored step.',
      examples: ['data/y.npy'],
    }),
    lengths: file({
      description: 'Steps of each sequence, [N]; without it all have T.',
      examples: ['data/lengths.npy'],
    }),
    ids: file({
      description: 'What the sequences are called: texts or integers [N].',
      examples: ['data/ids.npy'],
    }),
    x_validation: ofSplit('x', 'validation'),
    y_validation: ofSplit('y', 'validation'),
    lengths_validation: ofSplit('lengths', 'validation'),
    ids_validation: ofSplit('ids', 'validation'),
    x_test: ofSplit('x', 'test'),
    y_test: ofSplit('y', 'test'),
    lengths_test: ofSplit('lengths', 'test'),
    ids_test: ofSplit('ids', 'test'),
    test_fraction: testFraction,
    normalize,
    validation,
    memory,
    obtain,
    limit,
  },
  { title: 'NpyDataset', description: 'The arrays of a NumPy archive, each in an .npy file, raw or gzip.' },
);

export type NpyConfig = key.TypeOf<typeof settings>;

export const npy: DatasetKind<NpyConfig, typeof settings> = {
  settings,
  open,
  facts: () => ({}),
  newSequences: (_, data) => numpySequences(data),
  leaks: () => [],
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
