/** Images as sequences, for the kinds `mnist` and `idx`: bytes stay bytes until they are read. */
import { type Diagnostic, damagedError, type UserError } from '../util/errors.js';
import { RandomStream } from '../util/random.js';
import { type Dataset, IGNORED, type Split } from './core/dataset.js';
import { type FileLabels, labelFacts } from './core/labels.js';
import type { DataRecord, ReadSequence, SequenceReader } from './core/pipeline.js';
import { range } from './core/selection.js';
import { storedSplit } from './core/store.js';
import {
  type IdxArray,
  type IdxForm,
  type IdxSource,
  type IdxValues,
  idxDamage,
  idxForm,
  offsetNote,
  parseIdx,
  statedBytes,
} from './formats/idx-array.js';
import { allBytes, inTurn } from './reading/byte-sources.js';
import { decompressed, decompressedBeginning, type SourceFile } from './reading/files.js';
import { MAX_BYTES, MAX_CLASSES } from './reading/limits.js';
import { RangedFile } from './reading/ranged-file.js';
import { RowFeed } from './reading/row-feed.js';

/**
 * `rows`: H steps of W features; `pixels`: H*W steps of one feature, row by row; `permuted_pixels`:
 * the same in a random order that is fixed for all images and seeds.
 */
export type ImageSequence = 'rows' | 'pixels' | 'permuted_pixels';

/** The images of a file, `[N, H, W]`, whose pixels have been checked. */
export interface Images extends Omit<IdxArray, 'values'> {
  readonly file: string;
  /** Minimum (black) and maximum (white) of all pixels; unused if they are bytes. */
  readonly bounds: readonly [least: number, most: number];
  /** Returns the pixels of image `index`; valid until the next call. */
  pixels(index: number): IdxValues;
  /** Absent if they are in memory. */
  readonly stored?: { readonly file: RangedFile; decode(bytes: Uint8Array): IdxValues };
}

/** The files of one split. */
export interface ImageFiles {
  readonly images: Images;
  /** `[N]`. */
  readonly labels: IdxArray & { readonly file: string };
}

interface ImageOptions {
  readonly sequence: ImageSequence;
  /** Default: largest label of all splits + 1. */
  readonly numClasses?: number;
  /** Label that becomes -100. */
  readonly ignoredLabel?: number | undefined;
  readonly digests: Dataset['digests'];
}

/** Number of excess bytes to decompress, so that an error can give their offset. */
const EXCESS_BYTES = 2 ** 20;

/**
 * Returns the content of an IDX file, raw or gzip. Decompresses no more than the header declares
 * (plus {@link EXCESS_BYTES}), so that a small file cannot exhaust memory. If the header is
 * invalid, decompresses only the start of the file, which is enough for the error.
 * @throws UserError (exit 5) if the gzip stream is damaged
 */
export function idxContent({ name, bytes }: SourceFile): IdxSource {
  const beginning = decompressedBeginning(bytes, name);
  if (beginning === undefined) return { file: name, bytes };
  const stated = statedBytes(beginning);
  const isUsable = stated !== undefined && stated <= MAX_BYTES;
  const content = isUsable ? decompressed(bytes, name, stated + EXCESS_BYTES) : beginning;
  return { file: name, bytes: content, zipped: true };
}

/** @throws UserError (exit 5) if a pixel is not a number or their type has no known scale */
export function imagesInMemory(array: IdxArray, file: string): Images {
  const images = inMemory(array, file);
  const check = new PixelCheck(images);
  check.row(array.values, 0);
  return { ...images, bounds: check.bounds };
}

/** Like {@link imagesInMemory}, without a check of the pixels. */
function inMemory(array: IdxArray, file: string): Images {
  const { values, ...form } = array;
  checkScale(values, form, file);
  const [, height, width] = array.dims;
  const size = height * width;
  return {
    ...form,
    file,
    bounds: [0, 0],
    pixels: index => values.subarray(index * size, (index + 1) * size),
  };
}

/** Larger than any header. */
const HEAD_BYTES = 64;

/**
 * Opens a file whose images stay on disk, and reads it once to check it.
 * @throws UserError (exit 5) if it is damaged, a pixel is not a number or their type has no known
 *   scale
 */
export async function imagesOnDisk(
  path: string,
): Promise<{ readonly images: Images; readonly sha256: string }> {
  const file = await RangedFile.open(path);
  const head = file.readNow({ from: 0, to: Math.min(HEAD_BYTES, file.size) });
  const { decode, ...form } = idxForm({ file: path, bytes: Uint8Array.from(head) }, file.size, 3);
  checkScale(decode(new Uint8Array(0)), form, path);
  const check = new PixelCheck({ ...form, file: path });
  const array = { ...form, decode, start: 0, bytes: file.size, shape: form.dims };
  const feed = new RowFeed([
    {
      array,
      row(values, _, index) {
        check.row(values as IdxValues, index * values.length);
        return true;
      },
    },
  ]);
  const sha256 = await file.scan((piece, from) => feed.piece(piece, from));
  const images: Images = {
    ...form,
    file: path,
    bounds: check.bounds,
    pixels: index => decode(file.readNow(byteRange(form, index))),
    stored: { file, decode },
  };
  return { images, sha256 };
}

function byteRange(
  { dims: [, height, width], dataOffset, itemSize }: Omit<IdxForm, 'decode'>,
  index: number,
) {
  const bytes = height * width * itemSize;
  return { from: dataOffset + index * bytes, to: dataOffset + (index + 1) * bytes };
}

/** Checks that float pixels are finite, and finds their bounds. */
class PixelCheck {
  private least = Number.POSITIVE_INFINITY;
  private most = Number.NEGATIVE_INFINITY;

  constructor(private readonly images: Pick<Images, 'file' | 'zipped' | 'dataOffset' | 'itemSize'>) {}

  /**
   * @param from index of the first of `values` in the file
   * @throws UserError (exit 5) if a pixel is not a finite float32 number
   */
  row(values: IdxValues, from: number): void {
    if (values instanceof Uint8Array) return;
    for (let i = 0; i < values.length; i++) {
      const pixel = Math.fround(values[i]);
      if (!Number.isFinite(pixel)) throw damagedError(notFinite(this.images, from + i, values[i]));
      if (pixel < this.least) this.least = pixel;
      if (pixel > this.most) this.most = pixel;
    }
  }

  get bounds(): readonly [number, number] {
    return [this.least, this.most];
  }
}

/** @throws UserError (exit 5) if pixels of the type of `values` have no known scale */
function checkScale(values: IdxValues, { zipped }: Pick<IdxArray, 'zipped'>, file: string): void {
  if (values instanceof Uint8Array || values instanceof Float32Array || values instanceof Float64Array)
    return;
  throw idxDamage('data/idx-type', { file, zipped }, 2, {
    message: 'images of this integer type have no known scale',
    expected: 'unsigned bytes (08), float (0d) or double (0e)',
  });
}

/** How the pixels of an image become steps. */
interface Layout {
  /** T. */
  readonly steps: number;
  /** F. */
  readonly inputSize: number;
  /** Pixel of each number of the sequence; absent: in the order of the image. */
  readonly order?: Uint32Array;
}

function layoutOf(sequence: ImageSequence, height: number, width: number): Layout {
  const inputSize = sequence === 'rows' ? width : 1;
  const steps = (height * width) / inputSize;
  if (sequence !== 'permuted_pixels') return { steps, inputSize };
  return { steps, inputSize, order: RandomStream.of(0, 'data/permuted_pixels').shuffle(range(steps)) };
}

/** Float32 feature of each byte value: value / 255. */
const SCALE = Float32Array.from({ length: 256 }, (_, value) => value / 255);

/**
 * Writes an image as `Split.read` does. Unsigned bytes are scaled to 0..1; floats are used as they
 * are.
 */
function writeImage(
  pixels: IdxValues,
  { steps, inputSize, order }: Layout,
  out: Float32Array,
  offset: number,
  stepStride: number,
): void {
  const scale = pixels instanceof Uint8Array ? SCALE : undefined;
  let at = 0;
  for (let step = 0; step < steps; step++) {
    const to = offset + step * stepStride;
    for (let f = 0; f < inputSize; f++) {
      const value = pixels[order ? order[at] : at];
      out[to + f] = scale ? scale[value] : value;
      at++;
    }
  }
}

/** Files of each split. */
export interface ImageSplits {
  readonly train: ImageFiles;
  readonly validation?: ImageFiles | undefined;
  readonly test: ImageFiles;
}

/**
 * Builds a dataset from a pair of IDX files per split.
 * @throws UserError (exit 5) if the files do not match or a label is out of range
 */
export function imageDataset(files: ImageSplits, options: ImageOptions): Dataset {
  const [height, width] = imageSize(files);
  const labelled = (of: ImageFiles) => ({ ...of, classes: classesOf(of, options) });
  const train = labelled(files.train);
  const validation = files.validation && labelled(files.validation);
  const test = labelled(files.test);
  const others = validation === undefined ? [test] : [validation, test];
  const largest = (classes: Int32Array) => classes.reduce((most, label) => Math.max(most, label), 0);
  const numClasses =
    options.numClasses ?? Math.max(...[train, ...others].map(({ classes }) => largest(classes))) + 1;
  const layout = layoutOf(options.sequence, height, width);
  const split = ({ images, classes: values }: typeof train): Split => ({
    ...featuresOf(images, { kind: 'class', numClasses, values, perStep: false }, layout),
    image(index) {
      const pixels = images.pixels(index);
      return pixels instanceof Uint8Array ? pixels.slice() : greys(pixels, images.bounds);
    },
  });
  return {
    input: { kind: 'number', size: layout.inputSize },
    sequenceLength: layout.steps,
    train: split(train),
    ...(validation && { validation: split(validation) }),
    test: split(test),
    digests: options.digests,
    image: { height, width },
    ...(options.numClasses === undefined && {
      labels: labelFacts({ ...placed(train), ignored: options.ignoredLabel }, ...others.map(placed)),
    }),
  };
}

function featuresOf(images: Images, targets: Split['targets'], layout: Layout): Split {
  const [count] = images.dims;
  const { steps, inputSize } = layout;
  const { stored } = images;
  if (stored === undefined) {
    return {
      count,
      targets,
      read: (index, out, offset, stride) => writeImage(images.pixels(index), layout, out, offset, stride),
    };
  }
  const { file, decode } = stored;
  const store = {
    ...{ count, steps, inputSize },
    places: (index: number) => [{ file, ...byteRange(images, index) }],
    decode: (_: number, [row]: readonly Buffer[], features: Float32Array) =>
      writeImage(decode(row), layout, features, 0, inputSize),
  };
  return storedSplit(store, targets);
}

/** Float pixels have no fixed range: the minimum over all images is black, the maximum white. */
function greys(pixels: IdxValues, [least, most]: Images['bounds']): Uint8Array {
  const scale = most > least ? 255 / (most - least) : 0;
  return Uint8Array.from(pixels, (value: number) => Math.round((Math.fround(value) - least) * scale));
}

function notFinite(
  images: Pick<Images, 'file' | 'zipped' | 'dataOffset' | 'itemSize'>,
  index: number,
  value: number,
): Diagnostic {
  const problem = { message: 'a pixel is not a finite float32 number', got: String(value) };
  return idxDamage('data/not-finite', images, offsetOf(images, index), problem).diagnostics[0];
}

function imageSize({ train, validation, test }: ImageSplits): readonly [number, number] {
  const others = { ...(validation && { validation }), test };
  for (const { images, labels } of [train, ...Object.values(others)]) {
    if (labels.dims[0] === images.dims[0]) continue;
    throw idxDamage('data/count-mismatch', labels, 4, {
      message: 'the number of labels differs from the number of images',
      expected: `${images.dims[0]} labels, as in ${images.file}`,
      got: `${labels.dims[0]}`,
    });
  }
  const [, height, width] = train.images.dims;
  for (const [name, { images }] of Object.entries(others)) {
    const expected = `${height} x ${width}, as in ${train.images.file}`;
    checkSize(
      images,
      [height, width],
      `the ${name} images differ in size from the training images`,
      expected,
    );
  }
  return [height, width];
}

/** @throws UserError (exit 5) if the images have another size */
function checkSize(images: Images, size: readonly number[], message: string, expected: string): void {
  const got = images.dims.slice(1);
  if (got.every((length, i) => length === size[i])) return;
  throw idxDamage('data/shape-mismatch', images, 8, { message, expected, got: got.join(' x ') });
}

function classesOf(
  { labels }: ImageFiles,
  { numClasses = MAX_CLASSES, ignoredLabel }: ImageOptions,
): Int32Array {
  const { values } = labels;
  const bad = values.findIndex((v: number) => !Number.isInteger(v) || v < 0 || v >= numClasses);
  if (bad >= 0) throw notLabel(labels, bad, numClasses);
  return Int32Array.from(values, (label: number) => (label === ignoredLabel ? IGNORED : label));
}

function notLabel(labels: ImageFiles['labels'], index: number, numClasses: number): UserError {
  const value = labels.values[index];
  return idxDamage('data/label-range', labels, offsetOf(labels, index), {
    message: `label ${index} is out of range`,
    expected: `an integer from 0 to ${numClasses - 1}`,
    // all digits of an integer double, up to the range of 64-bit integers
    got: Number.isInteger(value) && Math.abs(value) < 2 ** 64 ? String(BigInt(value)) : String(value),
  });
}

function placed({ labels, classes }: ImageFiles & { readonly classes: Int32Array }): FileLabels {
  const at: FileLabels['at'] = index => ({
    name: `label ${index}`,
    note: offsetNote(labels),
    value: String(classes[index]),
    place: { file: labels.file, offset: offsetOf(labels, index) },
  });
  return { values: classes, at };
}

function offsetOf(
  { dataOffset, itemSize }: Pick<IdxArray, 'dataOffset' | 'itemSize'>,
  index: number,
): number {
  return dataOffset + index * itemSize;
}

/** Approximate number of values in a list of sequences. */
const LIST_VALUES = 2 ** 16;

/** Reads the images of an IDX file, which must have the size of the run's images. */
export function imageSequences(sequence: ImageSequence, { image }: DataRecord): SequenceReader {
  return {
    hasIds: false,
    hasTimes: false,
    async *read(sources) {
      for await (const source of inTurn(sources)) {
        const { name: file } = source;
        const images = inMemory(parseIdx({ file, bytes: await allBytes(source) }, 3), file);
        const [count, height, width] = images.dims;
        if (image) {
          const message = 'the images differ in size from the training images of the run';
          checkSize(images, [image.height, image.width], message, `${image.height} x ${image.width}`);
        }
        const layout = layoutOf(sequence, height, width);
        const perList = Math.max(1, Math.floor(LIST_VALUES / (height * width)));
        for (let from = 0; from < count; from += perList) {
          const length = Math.min(perList, count - from);
          yield Array.from({ length }, (_, i) => sequenceOf(images, from + i, layout));
        }
      }
    },
  };
}

function sequenceOf(images: Images, index: number, layout: Layout): ReadSequence {
  const { steps, inputSize } = layout;
  const pixels = images.pixels(index);
  const at = index * steps * inputSize;
  const bad = pixels.findIndex((value: number) => !Number.isFinite(Math.fround(value)));
  if (bad >= 0) return { problems: [notFinite(images, at + bad, pixels[bad])] };
  const values = new Float32Array(steps * inputSize);
  writeImage(pixels, layout, values, 0, inputSize);
  return { length: steps, values, place: { file: images.file, offset: offsetOf(images, at) } };
}
