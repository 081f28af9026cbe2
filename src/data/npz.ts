/**
 * Dataset kind `npz`: NumPy arrays `x`, `y`, `lengths`, `ids`, and the same with `_validation` and
 * `_test`, in one archive.
 */

import * as key from '../util/schema.js';
import { arrayDataset, type SplitArrays } from './array-dataset.js';
import { ARRAY_SYMBOLS, arraySequences, sequenceLayout } from './array-sequences.js';
import { ArrayArchive } from './arrays.js';
import { type Dataset, splitFiles } from './core/dataset.js';
import type { DatasetContext, DatasetKind } from './core/pipeline.js';
import { configError, Problems } from './core/problems.js';
import {
  givenFile,
  kind,
  limit,
  memory,
  normalize,
  obtain,
  testFraction,
  VALIDATION,
  validation,
} from './core/settings.js';
import { readContent, type SourceFile, staysOnDisk } from './reading/files.js';
import { MAX_BYTES } from './reading/limits.js';
import { memoryBytes, RangedFile } from './reading/ranged-file.js';

const settings = key.section(
  {
    kind: kind('npz', 'A NumPy archive.'),
    path: givenFile({
      description: 'Path of the archive.',
      examples: ['data/sequences.npz'],
      aliases: ['file'],
    }),
    test_fraction: testFraction,
    normalize,
    validation_arrays: key.boolean({
      description:
        'Whether to use the arrays x_validation, y_validation and lengths_validation as the validation split or ignore them. Required if the archive has them. Set this or `validation`, or neither.',
      examples: [true],
      ...VALIDATION,
    }),
    validation,
    memory,
    obtain,
    limit,
  },
  {
    title: 'NpzDataset',
    description:
      'A NumPy archive with the arrays x ([N,T,F] numbers or [N,T] integer symbols), y ([N] or [N,T] integer classes, -100 = ignored; or [N,C] or [N,T,C] float targets, NaN = ignored step), and optionally lengths [N] and ids [N] (names of the sequences: strings or integers). The test split is in x_test, y_test, …; with `validation_arrays`, the validation split is in x_validation, y_validation, …',
  },
);

export type NpzConfig = key.TypeOf<typeof settings>;

export const npz: DatasetKind<NpzConfig, typeof settings> = {
  settings,
  open,
  facts: () => ({}),
  newSequences: (_, data) => arraySequences(data, sequenceLayout),
  leaks: () => [],
  symbols: ARRAY_SYMBOLS,
  dividesItself: false,
  expandsPaths: false,
};

const EXPECTED =
  'x ([N, T, F] or [N, T]) and y ([N], [N, T], [N, C] or [N, T, C]); x_test needs y_test, x_validation y_validation';

async function open(config: NpzConfig, { seed, ignoredLabel }: DatasetContext): Promise<Dataset> {
  const { path } = config;
  const file = (await staysOnDisk([path], config, MAX_BYTES)) ? await RangedFile.open(path) : undefined;
  const content = file ? undefined : await readContent(path);
  const archive = new ArrayArchive(file ?? memoryBytes(path, (content as SourceFile).bytes));
  const problems = new Problems();
  const splitOf = (suffix: '' | '_validation' | '_test'): SplitArrays | undefined => {
    const names = ['x', 'y', 'lengths', 'ids'].map(array => array + suffix);
    if (suffix !== '' && !names.some(name => archive.has(name))) return undefined;
    for (const name of names.slice(0, 2))
      if (!archive.has(name)) problems.add(...archive.missing(name, EXPECTED).diagnostics);
    const [x, y, lengths] = names.slice(0, 3).map(name => archive.array(name, problems));
    return x && y && { x, y, lengths, ids: archive.texts(names[3], problems) };
  };
  const [train, validation, test] = [splitOf(''), splitOf('_validation'), splitOf('_test')];
  problems.throwIfAny();
  checkTestSplit(test !== undefined, config);
  checkValidationArrays(validation !== undefined, config);
  let sha256 = content?.sha256 ?? '';
  const dataset = await arrayDataset(
    { train: train as SplitArrays, validation: config.validation_arrays ? validation : undefined, test },
    {
      ...{ layoutOf: sequenceLayout, testFraction: config.test_fraction, seed, ignored: ignoredLabel },
      scan: async checks => {
        if (file) sha256 = await archive.scan(file, checks);
      },
    },
  );
  return { ...dataset, digests: splitFiles({ train: [{ name: path, sha256 }] }) };
}

function checkTestSplit(inFile: boolean, { path, test_fraction }: NpzConfig): void {
  if (inFile === (test_fraction === undefined)) return;
  throw configError({
    code: 'data/test-split',
    keyPath: ['dataset', inFile ? 'test_fraction' : 'path'],
    message: inFile
      ? `${path} has x_test, so remove dataset.test_fraction`
      : `${path} has no x_test, so the test split is not defined`,
    expected: inFile ? undefined : 'arrays x_test and y_test, or dataset.test_fraction',
  });
}

/**
 * The config alone must define whether there is a validation split, since defaults of other keys
 * depend on it.
 */
function checkValidationArrays(inFile: boolean, { path, validation_arrays }: NpzConfig): void {
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
