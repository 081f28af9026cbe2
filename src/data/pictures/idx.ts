/**
 * Dataset kind `idx`: pictures of any size in MNIST's format, one pair of files per split, raw or
 * gzip.
 */
import { type DataFile, type Dataset, splitFiles } from '../dataset.js';
import { type IdxArray, idxForm, parseIdx } from '../formats/idx.js';
import type { DatasetContext, DatasetKind } from '../kind.js';
import { configError } from '../problems.js';
import { readSource, type SourceFile } from '../reading/files.js';
import { MAX_BYTES } from '../reading/limits.js';
import { type MemoryConfig, staysOnDisk } from '../reading/memory.js';
import { RangedFile } from '../reading/ranged-file.js';
import { type RowCheck, RowFeed } from '../reading/row-feed.js';
import type { TrainingPartConfig } from '../training-part.js';
import { idxContent } from './idx-content.js';
import {
  type PictureFiles,
  type PictureSequence,
  pictureDataset,
  pictureSequences,
  pixelCheck,
} from './pictures.js';

export interface IdxConfig extends TrainingPartConfig, MemoryConfig {
  readonly kind: 'idx';
  readonly train_images: string;
  readonly train_labels: string;
  /** Set both or neither. */
  readonly validation_images?: string;
  readonly validation_labels?: string;
  readonly test_images: string;
  readonly test_labels: string;
  readonly sequence: PictureSequence;
}

export const idx: DatasetKind<IdxConfig> = {
  open,
  facts: () => ({ inputKind: 'number', targetKind: 'class', perStep: false }),
  newSequences: ({ sequence }, data) => pictureSequences(sequence, data),
};

/**
 * @throws UserError (exit 2) if a file cannot be read
 * @throws UserError (exit 5) if a file is damaged, with the byte offset
 */
async function open(config: IdxConfig, { ignoredLabel }: DatasetContext): Promise<Dataset> {
  const pairs = {
    train: [config.train_images, config.train_labels],
    validation: validationFiles(config),
    test: [config.test_images, config.test_labels],
  };
  const { train, validation = [], test } = pairs;
  const isOnDisk = await staysOnDisk([...train, ...validation, ...test], config, MAX_BYTES);
  const read = async ([images, labels]: readonly string[]): Promise<ReadPair> => {
    const readImages = isOnDisk ? storedPictures : readPictures;
    const [pictures, labelSource] = await Promise.all([readImages(images), readSource(labels)]);
    const files: PictureFiles = {
      imagesFile: images,
      images: pictures.images,
      labelsFile: labels,
      labels: parse(labelSource, 1),
    };
    const digests = [
      { name: images, sha256: pictures.sha256 },
      { name: labels, sha256: labelSource.sha256 },
    ];
    return { files, digests };
  };
  const all = await Promise.all(
    [train, validation, test].map(pair => (pair.length > 0 ? read(pair) : undefined)),
  );
  const [trained, validated, tested] = all as [ReadPair, ReadPair | undefined, ReadPair];
  return pictureDataset(
    {
      train: trained.files,
      ...(validated && { validation: validated.files }),
      test: tested.files,
    },
    {
      sequence: config.sequence,
      ignoredLabel,
      digests: splitFiles({ train: trained.digests, validation: validated?.digests, test: tested.digests }),
    },
  );
}

interface ReadPair {
  readonly files: PictureFiles;
  readonly digests: readonly DataFile[];
}

type ReadPictures = Pick<PictureFiles, 'images'> & { readonly sha256: string };

async function readPictures(path: string): Promise<ReadPictures> {
  const source = await readSource(path);
  return { images: parse(source, 3), sha256: source.sha256 };
}

/** Larger than any header. */
const HEAD_BYTES = 64;

/** Opens a file of pictures that stays on disk; reads it once to check it. */
async function storedPictures(path: string): Promise<ReadPictures> {
  const file = await RangedFile.open(path);
  const head = file.readNow({ from: 0, to: Math.min(HEAD_BYTES, file.size) });
  const form = idxForm({ file: path, bytes: Uint8Array.from(head) }, file.size, 3);
  const check = pixelCheck(form, path);
  const array = { ...form, start: 0, bytes: file.size, shape: form.dims };
  const row: RowCheck['row'] = (values, _, index) => {
    check.row(values, index);
    return true;
  };
  const feed = new RowFeed([{ array, row }]);
  const sha256 = await file.scan((piece, from) => feed.piece(piece, from));
  return { images: { ...form, file, range: check.range() }, sha256 };
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

function parse(source: SourceFile, rank: number): IdxArray {
  return parseIdx(idxContent(source), rank);
}
