/** Dataset kind `idx`: any four files in MNIST's format, raw or gzip, pictures of any size. */
import type { Dataset } from './dataset.js';
import { readSource, type SourceFile } from './files.js';
import { type IdxArray, parseIdx } from './formats/idx.js';
import { idxContent } from './idx-content.js';
import type { DatasetKind } from './kind.js';
import { type PictureFiles, type PictureSequence, pictureDataset } from './pictures.js';

export interface IdxConfig {
  readonly kind: 'idx';
  readonly train_images: string;
  readonly train_labels: string;
  readonly test_images: string;
  readonly test_labels: string;
  readonly sequence: PictureSequence;
  readonly limit?: number;
}

export const idx: DatasetKind<IdxConfig> = {
  open,
  facts: () => ({ inputKind: 'number', targetKind: 'class', perStep: false }),
  testDigests: 2,
};

/** @throws UserError exit 2 where a file cannot be read, exit 5 where it is damaged (at its byte offset). */
async function open(config: IdxConfig): Promise<Dataset> {
  const { train_images, train_labels, test_images, test_labels, sequence, limit } = config;
  const files = await Promise.all(
    [train_images, train_labels, test_images, test_labels].map(f => readSource(f)),
  );
  const [trainImages, trainLabels, testImages, testLabels] = files;
  return pictureDataset(parsePair(trainImages, trainLabels), parsePair(testImages, testLabels), {
    sequence,
    limit,
    digests: files.map(({ name, sha256 }) => ({ name, sha256 })),
  });
}

function parsePair(images: SourceFile, labels: SourceFile): PictureFiles {
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
