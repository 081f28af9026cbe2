/** Pictures as sequences, for the kinds `mnist` and `idx`. */

import type { UserError } from '../../util/errors.js';
import { RandomStream } from '../../util/random.js';
import { type Dataset, IGNORED, type Split, type Targets } from '../dataset.js';
import { type IdxArray, type IdxForm, idxDamage, offsetNote, parseIdx } from '../formats/idx.js';
import { type FileLabels, labelFacts } from '../labels.js';
import {
  type ByteSource,
  type DataRecord,
  inTurn,
  type ReadSequence,
  type SequenceReader,
} from '../new-sequences.js';
import { packedSplit } from '../packed.js';
import { allBytes } from '../reading/byte-sources.js';
import { MAX_CLASSES } from '../reading/limits.js';
import type { RangedFile } from '../reading/ranged-file.js';
import type { NumberArray } from '../reading/row-feed.js';
import { range } from '../selection.js';
import { type SequenceStore, storedSplit } from '../stored-split.js';

/**
 * `rows`: H steps of W features; `pixels`: H*W steps of one feature, row by row; `permuted_pixels`:
 * the same in a random order that is fixed for all pictures and seeds.
 */
export type PictureSequence = 'rows' | 'pixels' | 'permuted_pixels';

export interface PictureFiles {
  readonly imagesFile: string;
  /** `[N, H, W]`. */
  readonly images: IdxArray | StoredPictures;
  readonly labelsFile: string;
  /** `[N]`. */
  readonly labels: IdxArray;
}

/** Pictures that stay on disk; their values have been checked. */
export interface StoredPictures extends IdxForm {
  readonly file: RangedFile;
  /** Minimum (black) and maximum (white) of all pixels; unused if pixels are bytes. */
  readonly range: readonly [least: number, most: number];
}

interface PictureOptions {
  readonly sequence: PictureSequence;
  /** Default: largest label of all splits + 1. */
  readonly numClasses?: number;
  /** Label that becomes -100. */
  readonly ignoredLabel?: number | undefined;
  readonly digests: Dataset['digests'];
}

/** Float32 feature of each byte value: value / 255. */
const SCALE = Float32Array.from({ length: 256 }, (_, value) => value / 255);

/** Files of each split. */
export interface PictureSplits {
  readonly train: PictureFiles;
  readonly validation?: PictureFiles;
  readonly test: PictureFiles;
}

/**
 * Builds a dataset from a pair of IDX files per split. Unsigned bytes are scaled to 0..1; floats
 * are used as they are.
 * @throws UserError (exit 5) if the files do not match or a value is out of range
 */
export function pictureDataset(files: PictureSplits, options: PictureOptions): Dataset {
  const [height, width] = pictureSize(files);
  const labelled = (of: PictureFiles): Labelled => ({ files: of, labels: labelsOf(of, options) });
  const train = labelled(files.train);
  const validation = files.validation && labelled(files.validation);
  const test = labelled(files.test);
  const others = validation === undefined ? [test] : [validation, test];
  const numClasses =
    options.numClasses ?? Math.max(...[train, ...others].map(({ labels }) => largest(labels))) + 1;
  const inputSize = options.sequence === 'rows' ? width : 1;
  const steps = (height * width) / inputSize;
  const split = ({ files: of, labels: values }: Labelled): Split => {
    const targets: Targets = { kind: 'class', numClasses, values, perStep: false };
    const ordered = pictureSplit(of, targets, steps, inputSize);
    if (options.sequence !== 'permuted_pixels') return ordered;
    return { ...ordered, read: permutedReader(ordered.read, pixelOrder(steps)) };
  };
  return {
    input: { kind: 'number', size: inputSize },
    sequenceLength: steps,
    train: split(train),
    ...(validation && { validation: split(validation) }),
    test: split(test),
    digests: options.digests,
    picture: { height, width },
    ...(options.numClasses === undefined && {
      labels: labelFacts({ ...placed(train), ignored: options.ignoredLabel }, ...others.map(placed)),
    }),
  };
}

interface Labelled {
  readonly files: PictureFiles;
  readonly labels: Int32Array;
}

function pictureSplit(files: PictureFiles, targets: Targets, steps: number, inputSize: number): Split {
  const { images } = files;
  const count = targets.values.length;
  const size = steps * inputSize;
  if ('file' in images) return storedPictures(images, targets, steps, inputSize);
  const { values } = images;
  if (values instanceof Uint8Array) {
    const picture = (index: number) => values.slice(index * size, (index + 1) * size);
    return { count, targets, read: byteReader(values, steps, inputSize), picture };
  }
  const features = floatsOf(images, files.imagesFile);
  const starts = Uint32Array.from({ length: count }, (_, i) => i * steps);
  const lengths = new Int32Array(count).fill(steps);
  const split = packedSplit({ features, inputSize, starts, lengths, targets }, steps);
  return { ...split, picture: greyPictures(features, size) };
}

function storedPictures(images: StoredPictures, targets: Targets, steps: number, inputSize: number): Split {
  const { file, dataOffset, itemSize, decode, range } = images;
  const size = steps * inputSize;
  const bytes = size * itemSize;
  const place = (index: number) => ({
    file,
    from: dataOffset + index * bytes,
    to: dataOffset + (index + 1) * bytes,
  });
  const store: SequenceStore = {
    count: targets.values.length,
    steps,
    inputSize,
    places: index => [place(index)],
    decode(_, [row], features) {
      const values = decode(row);
      if (values instanceof Uint8Array) for (let i = 0; i < size; i++) features[i] = SCALE[values[i]];
      else features.set(values);
    },
  };
  const picture = (index: number): Uint8Array => {
    const values = decode(file.readNow(place(index)));
    return values instanceof Uint8Array ? values.slice() : greys(Float32Array.from(values), range);
  };
  return { ...storedSplit(store, targets), picture };
}

/** Index of the pixel that each of `count` steps reads. */
function pixelOrder(count: number): Uint32Array {
  return RandomStream.of(0, 'data/permuted_pixels').shuffle(range(count));
}

function permutedReader(read: Split['read'], order: Uint32Array): Split['read'] {
  const pixels = new Float32Array(order.length);
  return (index, out, offset, stepStride) => {
    read(index, pixels, 0, 1);
    order.forEach((place, step) => {
      out[offset + step * stepStride] = pixels[place];
    });
  };
}

/** Float pixels have no fixed range: the minimum over all pictures is black, the maximum white. */
function greyPictures(pixels: Float32Array, size: number): Split['picture'] {
  let range: readonly [number, number] | undefined;
  return index => {
    range ??= pixels.reduce(
      ([least, most], v) => [Math.min(least, v), Math.max(most, v)],
      [Infinity, -Infinity],
    );
    return greys(pixels.subarray(index * size, (index + 1) * size), range);
  };
}

function greys(pixels: Float32Array, [least, most]: readonly [number, number]): Uint8Array {
  const scale = most > least ? 255 / (most - least) : 0;
  return Uint8Array.from(pixels, value => Math.round((value - least) * scale));
}

function byteReader(pixels: Uint8Array, steps: number, inputSize: number): Split['read'] {
  return (index, out, offset, stepStride) => {
    let from = index * steps * inputSize;
    for (let step = 0; step < steps; step++) {
      const to = offset + step * stepStride;
      for (let f = 0; f < inputSize; f++) out[to + f] = SCALE[pixels[from++]];
    }
  };
}

function floatsOf(images: IdxArray, imagesFile: string): Float32Array {
  const { values } = images;
  if (!isFloats(values)) throw noScale(imagesFile, images.zipped);
  const floats = values instanceof Float32Array ? values : Float32Array.from(values);
  const bad = floats.findIndex(value => !Number.isFinite(value));
  if (bad >= 0) throw notFinite(images, imagesFile, bad, values[bad]);
  return floats;
}

/**
 * Returns a check for the pixels of pictures on disk, to run while the file is read; afterwards
 * `range` has their minimum and maximum. Its `row` throws:
 * @throws UserError (exit 5) if a pixel is not a finite float32 number or the pixel type has no
 *   known scale
 */
export function pixelCheck(images: IdxForm, file: string) {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  return {
    row(values: NumberArray, index: number): void {
      if (values instanceof Uint8Array) return;
      if (!(values instanceof Float32Array || values instanceof Float64Array)) throw noScale(file, false);
      values.forEach((value, i) => {
        const pixel = Math.fround(value);
        if (!Number.isFinite(pixel)) throw notFinite(images, file, index * values.length + i, value);
        least = Math.min(least, pixel);
        most = Math.max(most, pixel);
      });
    },
    range: () => [least, most] as const,
  };
}

function isFloats(values: IdxArray['values']): values is Float32Array | Float64Array {
  return values instanceof Float32Array || values instanceof Float64Array;
}

function noScale(file: string, zipped: boolean | undefined): UserError {
  return idxDamage('data/idx-type', { file, zipped }, 2, {
    message: 'pictures of this integer type have no known scale',
    expected: 'unsigned bytes (08), float (0d) or double (0e)',
  });
}

function notFinite(images: Omit<IdxArray, 'values'>, file: string, index: number, value: number): UserError {
  return idxDamage('data/not-finite', { file, zipped: images.zipped }, offsetOf(images, index), {
    message: 'a pixel is not a finite float32 number',
    got: String(value),
  });
}

function pictureSize({ train, validation, test }: PictureSplits): readonly [number, number] {
  const others = { ...(validation && { validation }), test };
  for (const { images, labels, imagesFile, labelsFile } of [train, ...Object.values(others)]) {
    if (labels.dims[0] !== images.dims[0]) {
      throw idxDamage('data/count-mismatch', { file: labelsFile, zipped: labels.zipped }, 4, {
        message: 'the number of labels differs from the number of pictures',
        expected: `${images.dims[0]} labels, as in ${imagesFile}`,
        got: `${labels.dims[0]}`,
      });
    }
  }
  const [, height, width] = train.images.dims;
  for (const [name, { images, imagesFile }] of Object.entries(others)) {
    const [, otherHeight, otherWidth] = images.dims;
    if (height === otherHeight && width === otherWidth) continue;
    throw idxDamage('data/shape-mismatch', { file: imagesFile, zipped: images.zipped }, 8, {
      message: `the ${name} pictures differ in size from the training pictures`,
      expected: `${height} x ${width}, as in ${train.imagesFile}`,
      got: `${otherHeight} x ${otherWidth}`,
    });
  }
  return [height, width];
}

function labelsOf(
  { labels, labelsFile }: PictureFiles,
  { numClasses = MAX_CLASSES, ignoredLabel }: PictureOptions,
): Int32Array {
  const { values } = labels;
  const bad = values.findIndex((v: number) => !Number.isInteger(v) || v < 0 || v >= numClasses);
  if (bad >= 0) {
    throw idxDamage('data/label-range', { file: labelsFile, zipped: labels.zipped }, offsetOf(labels, bad), {
      message: `label ${bad} is out of range`,
      expected: `an integer from 0 to ${numClasses - 1}`,
      got: exactly(values[bad]),
    });
  }
  return Int32Array.from(values, (label: number) => (label === ignoredLabel ? IGNORED : label));
}

function placed({ files: { labels, labelsFile }, labels: values }: Labelled): FileLabels {
  const at: FileLabels['at'] = index => ({
    name: `label ${index}`,
    note: offsetNote(labels),
    value: String(values[index]),
    place: { file: labelsFile, offset: offsetOf(labels, index) },
  });
  return { values, at };
}

function offsetOf(
  { dataOffset, itemSize }: Pick<IdxArray, 'dataOffset' | 'itemSize'>,
  index: number,
): number {
  return dataOffset + index * itemSize;
}

/** All digits of an integer double, up to the range of 64-bit integers. */
function exactly(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 2 ** 64 ? String(BigInt(value)) : String(value);
}

function largest(values: Int32Array): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}

/** Approximate number of values in a list of sequences. */
const LIST_VALUES = 2 ** 16;

/** Reads the pictures of an IDX file, which must have the size of the run's pictures. */
export function pictureSequences(sequence: PictureSequence, { picture }: DataRecord): SequenceReader {
  return {
    hasIds: false,
    hasTimes: false,
    async *read(sources) {
      for await (const source of inTurn(sources)) yield* readPictures(source, sequence, picture);
    },
  };
}

async function* readPictures(
  source: ByteSource,
  sequence: PictureSequence,
  picture: DataRecord['picture'],
): AsyncGenerator<readonly ReadSequence[]> {
  const { name } = source;
  const images = parseIdx({ file: name, bytes: await allBytes(source) }, 3);
  const [count, height, width] = images.dims;
  if (picture && (picture.height !== height || picture.width !== width)) {
    throw idxDamage('data/shape-mismatch', { file: name }, 8, {
      message: 'the pictures differ in size from the training pictures of the run',
      expected: `${picture.height} x ${picture.width}`,
      got: `${height} x ${width}`,
    });
  }
  const inputSize = sequence === 'rows' ? width : 1;
  const size = height * width;
  const pixelsOf = pixelReader(images, name);
  const order = sequence === 'permuted_pixels' ? pixelOrder(size) : undefined;
  const perList = Math.max(1, Math.floor(LIST_VALUES / size));
  for (let from = 0; from < count; from += perList) {
    yield Array.from({ length: Math.min(perList, count - from) }, (_, i): ReadSequence => {
      const at = (from + i) * size;
      const pixels = pixelsOf(at, size);
      const values = order ? Float32Array.from(order, place => pixels[place]) : pixels;
      const bad = pixels.findIndex(value => !Number.isFinite(value));
      if (bad >= 0)
        return { problems: notFinite(images, name, at + bad, images.values[at + bad]).diagnostics };
      return { length: size / inputSize, values, place: { file: name, offset: offsetOf(images, at) } };
    });
  }
}

/** Returns a function that reads `size` pixels, starting at `at`, as features. */
function pixelReader({ values, zipped }: IdxArray, file: string): (at: number, size: number) => Float32Array {
  if (values instanceof Uint8Array)
    return (at, size) => Float32Array.from(values.subarray(at, at + size), value => SCALE[value]);
  if (!isFloats(values)) throw noScale(file, zipped);
  return (at, size) => Float32Array.from(values.subarray(at, at + size));
}
