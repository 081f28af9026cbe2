/**
 * Dataset kind `idx`: images of any size in MNIST's format, one pair of files per split, raw or
 * gzip.
 */
import * as key from '../util/schema.js';
import { type DataFile, type Dataset, splitFiles } from './core/dataset.js';
import type { DatasetContext, DatasetKind } from './core/pipeline.js';
import { configError } from './core/problems.js';
import { file, givenFile, imageSequence, kind, limit, memory, obtain, validation } from './core/settings.js';
import { parseIdx } from './formats/idx-array.js';
import {
  type ImageFiles,
  idxContent,
  imageDataset,
  imageSequences,
  imagesInMemory,
  imagesOnDisk,
} from './images.js';
import { readSource, staysOnDisk } from './reading/files.js';
import { MAX_BYTES } from './reading/limits.js';

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
  newSequences: ({ sequence }, data) => imageSequences(sequence, data),
  leaks: () => [],
  symbols: null,
  dividesItself: false,
  expandsPaths: false,
};

/**
 * @throws UserError (exit 2) if a file cannot be read
 * @throws UserError (exit 5) if a file is damaged, with the byte offset
 */
async function open(config: IdxConfig, { ignoredLabel }: DatasetContext): Promise<Dataset> {
  const pairs = [
    [config.train_images, config.train_labels],
    validationFiles(config) ?? [],
    [config.test_images, config.test_labels],
  ];
  const isOnDisk = await staysOnDisk(pairs.flat(), config, MAX_BYTES);
  const all = await Promise.all(pairs.map(pair => (pair.length > 0 ? readPair(pair, isOnDisk) : undefined)));
  const [train, validation, test] = all as [ReadPair, ReadPair | undefined, ReadPair];
  return imageDataset(
    { train: train.files, validation: validation?.files, test: test.files },
    {
      sequence: config.sequence,
      ignoredLabel,
      digests: splitFiles({ train: train.digests, validation: validation?.digests, test: test.digests }),
    },
  );
}

interface ReadPair {
  readonly files: ImageFiles;
  readonly digests: readonly DataFile[];
}

async function readPair([path, labelsPath]: readonly string[], isOnDisk: boolean): Promise<ReadPair> {
  const inMemory = async () => {
    const source = await readSource(path);
    return { images: imagesInMemory(parseIdx(idxContent(source), 3), path), sha256: source.sha256 };
  };
  const [{ images, sha256 }, labels] = await Promise.all([
    isOnDisk ? imagesOnDisk(path) : inMemory(),
    readSource(labelsPath),
  ]);
  return {
    files: { images, labels: { ...parseIdx(idxContent(labels), 1), file: labelsPath } },
    digests: [
      { name: path, sha256 },
      { name: labelsPath, sha256: labels.sha256 },
    ],
  };
}

function validationFiles(config: IdxConfig): readonly string[] | undefined {
  const { validation_images: images, validation_labels: labels } = config;
  if (images !== undefined && labels !== undefined) return [images, labels];
  if (images === labels) return undefined;
  throw configError({
    code: 'data/validation',
    keyPath: ['dataset', images === undefined ? 'validation_labels' : 'validation_images'],
    message: 'validation images and labels are two files',
    expected: 'both dataset.validation_images and dataset.validation_labels',
  });
}
