/** Dataset kind `npy`: the arrays of an `npz` dataset, each in its own file. */

import * as key from '../util/schema.js';
import { arrayDataset, type SplitArrays } from './array-dataset.js';
import { ARRAY_SYMBOLS, arraySequences, sequenceLayout } from './array-sequences.js';
import { ArrayFiles } from './arrays.js';
import type { Dataset } from './core/dataset.js';
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
import { npyForm } from './formats/npy-array.js';
import { staysOnDisk } from './reading/files.js';
import { MAX_BYTES } from './reading/limits.js';

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
  newSequences: (_, data) => arraySequences(data, sequenceLayout),
  leaks: () => [],
  symbols: ARRAY_SYMBOLS,
  dividesItself: false,
  expandsPaths: false,
};

const SPLITS = ['', '_validation', '_test'] as const;
const ARRAYS = ['y', 'lengths', 'ids', 'x'] as const;

async function open(config: NpyConfig, { seed, ignoredLabel }: DatasetContext): Promise<Dataset> {
  const paths = SPLITS.map(suffix => ARRAYS.flatMap(array => config[`${array}${suffix}`] ?? []));
  checkTestSplit(config, paths[2].length > 0);
  const files = new ArrayFiles(await staysOnDisk(paths.flat(), config, MAX_BYTES), npyForm);
  const problems = new Problems();
  const splits: (SplitArrays | undefined)[] = [];
  for (const suffix of SPLITS) {
    checkPair(config, suffix);
    const array = (name: 'x' | 'y' | 'lengths') =>
      files.array(config[`${name}${suffix}`], name + suffix, problems);
    const [x, y, lengths] = [await array('x'), await array('y'), await array('lengths')];
    const ids = await files.texts(config[`ids${suffix}`], `ids${suffix}`, problems);
    splits.push(x && y && { x, y, lengths, ids });
  }
  problems.throwIfAny();
  const [train, validation, test] = splits;
  const dataset = await arrayDataset(
    { train: train as SplitArrays, validation, test },
    {
      ...{ layoutOf: sequenceLayout, testFraction: config.test_fraction, seed, ignored: ignoredLabel },
      scan: checks => files.scan(checks),
    },
  );
  return { ...dataset, digests: files.digestsOf(paths) };
}

/** @throws UserError (exit 2) if a split has arrays, but not `x` and `y` */
function checkPair(config: NpyConfig, suffix: (typeof SPLITS)[number]): void {
  const given = ARRAYS.find(array => config[`${array}${suffix}`] !== undefined);
  const missing = (['x', 'y'] as const).find(array => config[`${array}${suffix}`] === undefined);
  if (given === undefined || missing === undefined) return;
  throw configError({
    code: 'data/npy-arrays',
    keyPath: ['dataset', `${given}${suffix}`],
    message: `\`${given}${suffix}\` needs \`${missing}${suffix}\` as well`,
  });
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
