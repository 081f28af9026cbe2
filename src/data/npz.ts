/**
 * Dataset kind `npz`: NumPy arrays `x`, `y`, `lengths`, `ids`, and the same with `_validation` and
 * `_test`, in one archive.
 */

import { damagedError } from '../util/errors.js';
import * as key from '../util/schema.js';
import { numpyDataset, SUFFIXES } from './array-dataset.js';
import { numpySequences } from './array-sequences.js';
import type { SplitArrays, Suffix } from './arrays.js';
import { ARRAY_SYMBOLS } from './arrays.js';
import { type Dataset, IGNORED, splitFiles } from './core/dataset.js';
import type { DatasetContext, DatasetKind } from './core/pipeline.js';
import { configError } from './core/problems.js';
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
import { type Arrays, readArchive, storedArchive, type WantedArrays } from './npz-archive.js';
import { readContent, staysOnDisk } from './reading/files.js';
import { MAX_BYTES } from './reading/limits.js';

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
  newSequences: (_, data) => numpySequences(data),
  leaks: () => [],
  symbols: ARRAY_SYMBOLS,
  dividesItself: false,
  expandsPaths: false,
};

const ARRAY_OF_SPLIT = /^(?:x|y|lengths|ids)(_validation|_test)$/;

const WANTED: WantedArrays = {
  names: SUFFIXES.flatMap(suffix => ['x', 'y', 'lengths', 'ids'].map(array => array + suffix)),
  // `x` and `y`, and those of another split if any array of that split exists
  required: found =>
    SUFFIXES.filter(
      suffix => suffix === '' || found.some(name => ARRAY_OF_SPLIT.exec(name)?.[1] === suffix),
    ).flatMap(suffix => [`x${suffix}`, `y${suffix}`]),
  expected:
    'x ([N, T, F] or [N, T]) and y ([N], [N, T], [N, C] or [N, T, C]); x_test needs y_test, x_validation y_validation',
};

/**
 * Opens a file with `x` (`[N, T, F]` numbers, or `[N, T]` integers, which are symbols), `y` (`[N]`
 * or `[N, T]` integer classes, -100 = ignored, or `[N, C]` or `[N, T, C]` float targets) and
 * optionally `lengths` `[N]` and `ids` `[N]`. The test split is in the same arrays with `_test`, or
 * is a fraction of the sequences. The validation split may be in the same arrays with
 * `_validation`.
 * @throws UserError (exit 2) if the file cannot be read or the test split is not defined
 * @throws UserError (exit 5) if the archive is damaged, shapes do not match or a value is out of
 *   range (with array and index)
 */
async function open(config: NpzConfig, { seed, ignoredLabel = IGNORED }: DatasetContext): Promise<Dataset> {
  const { path } = config;
  const onDisk = (await staysOnDisk([path], config, MAX_BYTES))
    ? await storedArchive(path, WANTED)
    : undefined;
  const { arrays, ...source } = onDisk ? { arrays: onDisk, sha256: '' } : await wholeArchive(path);
  checkTestSplit(arrays, config);
  checkValidationArrays(arrays, config);
  let { sha256 } = source;
  const [train, validation, test] = SUFFIXES.map(suffix => splitOf(arrays, suffix));
  if (!train) throw damagedError({ code: 'data/npz', message: 'no sequences', file: path });
  const { test_fraction: testFraction } = config;
  const dataset = await numpyDataset(
    { '': train, _validation: config.validation_arrays ? validation : undefined, _test: test },
    {
      ...{ testFraction, seed, ignored: ignoredLabel },
      ...(onDisk && {
        scan: async checks => {
          sha256 = await onDisk.scan(checks);
        },
      }),
    },
  );
  return { ...dataset, digests: splitFiles({ train: [{ name: path, sha256 }] }) };
}

async function wholeArchive(path: string) {
  const { bytes, sha256 } = await readContent(path);
  return { arrays: readArchive(bytes, path, WANTED), sha256 };
}

function splitOf({ numbers, ids }: Arrays, suffix: Suffix): SplitArrays | undefined {
  const [x, y, lengths] = ['x', 'y', 'lengths'].map(array => numbers.get(array + suffix));
  return x && y && { x, y, lengths, ids: ids.get(`ids${suffix}`) };
}

function checkTestSplit({ numbers }: Arrays, { path, test_fraction }: NpzConfig): void {
  const inFile = numbers.has('x_test');
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
