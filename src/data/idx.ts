/**
 * Dataset kind `idx`: images of any size in MNIST's format, one pair of files per split, raw or
 * gzip.
 */
import * as key from '../util/schema.js';
import { arrayDataset, type SplitArrays } from './array-dataset.js';
import { arraySequences } from './array-sequences.js';
import { ArrayFiles } from './arrays.js';
import type { Dataset } from './core/dataset.js';
import type { DatasetContext, DatasetKind } from './core/pipeline.js';
import { Problems } from './core/problems.js';
import { file, givenFile, imageSequence, kind, limit, memory, obtain, validation } from './core/settings.js';
import { idxForm } from './formats/idx-array.js';
import { imageLayout } from './images.js';
import { staysOnDisk } from './reading/files.js';
import { MAX_BYTES } from './reading/limits.js';

const SPLITS = ['train', 'validation', 'test'] as const;

const settings = key.section(
  {
    kind: kind('idx', 'Four IDX files.'),
    train_images: givenFile({
      description: 'IDX file of the training images.',
      examples: ['train-images-idx3-ubyte.gz'],
    }),
    train_labels: givenFile({
      description: 'IDX file of the training labels.',
      examples: ['train-labels-idx1-ubyte.gz'],
    }),
    validation_images: file({
      description:
        'IDX file of the validation images. Set this and validation_labels, or `validation`, or neither.',
      examples: ['validation-images-idx3-ubyte.gz'],
    }),
    validation_labels: file({
      description: 'IDX file of the validation labels.',
      examples: ['validation-labels-idx1-ubyte.gz'],
    }),
    test_images: givenFile({
      description: 'IDX file of the test images.',
      examples: ['t10k-images-idx3-ubyte.gz'],
    }),
    test_labels: givenFile({
      description: 'IDX file of the test labels.',
      examples: ['t10k-labels-idx1-ubyte.gz'],
    }),
    sequence: imageSequence,
    validation,
    memory,
    obtain,
    limit,
  },
  {
    title: 'IdxDataset',
    description: 'Images in the IDX format of MNIST, raw or gzip. Bytes are scaled to 0..1.',
  },
);

export type IdxConfig = key.TypeOf<typeof settings>;

export const idx: DatasetKind<IdxConfig, typeof settings> = {
  settings,
  open,
  facts: () => ({ inputKind: 'number', targetKind: 'class', perStep: false }),
  newSequences: ({ sequence }, data) => arraySequences(data, imageLayout(sequence)),
  leaks: () => [],
  symbols: null,
  dividesItself: false,
  expandsPaths: false,
};

async function open(config: IdxConfig, { seed, ignoredLabel }: DatasetContext): Promise<Dataset> {
  const pairs = SPLITS.map(split =>
    [config[`${split}_images`], config[`${split}_labels`]].filter(path => path !== undefined),
  );
  const files = new ArrayFiles(await staysOnDisk(pairs.flat(), config, MAX_BYTES), idxForm);
  const problems = new Problems();
  const [train, validation, test] = await Promise.all(
    pairs.map(async ([images, labels], i) => {
      const x = await files.array(images, `${SPLITS[i]}_images`, problems);
      const y = await files.array(labels, `${SPLITS[i]}_labels`, problems);
      return x && y && { x, y };
    }),
  );
  problems.throwIfAny();
  const dataset = await arrayDataset(
    { train: train as SplitArrays, validation, test },
    {
      ...{ layoutOf: imageLayout(config.sequence), seed, ignored: ignoredLabel },
      scan: checks => files.scan(checks),
    },
  );
  return { ...dataset, digests: files.digestsOf(pairs) };
}
