/** Images `[N, H, W]` as sequences: bytes stay bytes until they are read. */
import { RandomStream } from '../util/random.js';
import type { LayoutOf } from './array-sequences.js';
import type { FileArray } from './arrays.js';
import { range } from './core/selection.js';
import type { NumberArray } from './formats/npy-array.js';

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
    return { steps, size, write, image: { height, width, greys } };
  };

const known = new WeakMap<FileArray, readonly [least: number, most: number]>();

/** Floats have no fixed range: the minimum over all images is black, the maximum white. */
function greys(x: FileArray, index: number): Uint8Array {
  if (x.integer) return Uint8Array.from(x.row(index));
  const [least, most] = known.get(x) ?? boundsOf(x);
  const scale = most > least ? 255 / (most - least) : 0;
  return Uint8Array.from(x.row(index), (pixel: number) => Math.round((Math.fround(pixel) - least) * scale));
}

function boundsOf(x: FileArray): readonly [least: number, most: number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let index = 0; index < x.shape[0]; index++) {
    for (const value of x.row(index)) {
      const pixel = Math.fround(value);
      if (pixel < least) least = pixel;
      if (pixel > most) most = pixel;
    }
  }
  known.set(x, [least, most]);
  return [least, most];
}
