/**
 * Dataset kind `idx`: a pair of files for each split in MNIST's format, raw or gzip, pictures of
 * any size.
 */
import type { Dataset } from '../dataset.js';
import { type IdxArray, parseIdx } from '../formats/idx.js';
import type { DatasetContext, DatasetKind } from '../kind.js';
import { configError } from '../problems.js';
import { readSource, type SourceFile } from '../reading/files.js';
import type { TrainingPartConfig } from '../training-part.js';
import { idxContent } from './idx-content.js';
import { type PictureFiles, type PictureSequence, pictureDataset, pictureSequences } from './pictures.js';

export interface IdxConfig extends TrainingPartConfig {
  readonly kind: 'idx';
  readonly train_images: string;
  readonly train_labels: string;
  /** Both are given, or neither. */
  readonly validation_images?: string;
  readonly validation_labels?: string;
  readonly test_images: string;
  readonly test_labels: string;
  readonly sequence: PictureSequence;
}

export const idx: DatasetKind<IdxConfig> = {
  open,
  facts: () => ({ inputKind: 'number', targetKind: 'class', perStep: false }),
  testDigests: 2,
  newSequences: ({ sequence }, data) => pictureSequences(sequence, data),
};

/**
 * @throws UserError (exit 2) if a file cannot be read, (exit 5) if it is damaged (at its byte
 *   offset).
 */
async function open(config: IdxConfig, { ignoredLabel }: DatasetContext): Promise<Dataset> {
  const pairs = {
    train: [config.train_images, config.train_labels],
    validation: validationFiles(config),
    test: [config.test_images, config.test_labels],
  };
  const read = (paths: readonly string[] = []) => Promise.all(paths.map(path => readSource(path)));
  const [train, validation, test] = await Promise.all([pairs.train, pairs.validation, pairs.test].map(read));
  return pictureDataset(
    {
      train: parsePair(train),
      ...(validation.length > 0 && { validation: parsePair(validation) }),
      test: parsePair(test),
    },
    {
      sequence: config.sequence,
      ignoredLabel,
      digests: [...train, ...validation, ...test].map(({ name, sha256 }) => ({ name, sha256 })),
    },
  );
}

function validationFiles(config: IdxConfig): readonly string[] | undefined {
  const { validation_images: images, validation_labels: labels } = config;
  if (images !== undefined && labels !== undefined) return [images, labels];
  if (images === labels) return undefined;
  throw configError({
    code: 'data/validation',
    keyPath: ['dataset', images === undefined ? 'validation_labels' : 'validation_images'],
    message: 'validation pictures and their labels are two files',
    expected: 'both dataset.validation_images and dataset.validation_labels',
  });
}

function parsePair([images, labels]: readonly SourceFile[]): PictureFiles {
  return {
    imagesFile: images.name,
    images: parse(images, 3),
    labelsFile: labels.name,
    labels: parse(labels, 1),
  };
}

function parse(source: SourceFile, rank: number): IdxArray {
  return parseIdx(idxContent(source), rank);
}
