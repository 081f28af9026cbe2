/** Weights as a module stores them: in float32, float16, or int8 with a scale for each row. */

export const PRECISIONS = ['float32', 'float16', 'int8'] as const;

export type Precision = (typeof PRECISIONS)[number];

interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What int8 can have on each side of 0, so that 0 is exact. */
const MOST = 127;

/** The bytes of a weight, little-endian; vectors, such as biases, are in float32, not in int8. */
export function encodedWeight({ shape, data }: Weight, precision: Precision): Uint8Array {
  const rows = rowsOf(shape);
  const view = new DataView(new ArrayBuffer(storedSize(shape, precision)));
  if (precision === 'float16') {
    data.forEach((value, i) => void view.setUint16(2 * i, toFloat16(value), true));
  } else if (precision === 'float32' || rows === 0) {
    data.forEach((value, i) => void view.setFloat32(4 * i, value, true));
  } else {
    const width = data.length / rows;
    for (let row = 0; row < rows; row++) {
      const own = data.subarray(row * width, (row + 1) * width);
      const scale = Math.fround(own.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / MOST);
      view.setFloat32(4 * row, scale, true);
      own.forEach((value, i) => {
        const rounded = scale === 0 ? 0 : Math.max(-MOST, Math.min(MOST, Math.round(value / scale)));
        view.setInt8(4 * rows + row * width + i, rounded);
      });
    }
  }
  return new Uint8Array(view.buffer);
}

/** The weight of `shape` at the start of `bytes`. */
export function decodedWeight(
  bytes: Uint8Array,
  shape: readonly number[],
  precision: Precision,
): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = sizeOf(shape);
  const rows = rowsOf(shape);
  const value = (i: number): number => {
    if (precision === 'float16') return fromFloat16(view.getUint16(2 * i, true));
    if (precision === 'float32' || rows === 0) return view.getFloat32(4 * i, true);
    return view.getInt8(4 * rows + i) * view.getFloat32(4 * Math.floor((i * rows) / length), true);
  };
  return Float32Array.from({ length }, (_, i) => value(i));
}

export function storedSize(shape: readonly number[], precision: Precision): number {
  if (precision === 'float16') return 2 * sizeOf(shape);
  const rows = rowsOf(shape);
  return precision === 'float32' || rows === 0 ? 4 * sizeOf(shape) : 4 * rows + sizeOf(shape);
}

/** Of a matrix; 0 for a vector. */
function rowsOf(shape: readonly number[]): number {
  return shape.length < 2 ? 0 : sizeOf(shape.slice(0, -1));
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The least exponent of float16, as a power of 2, and the bits of its fraction. */
const [LEAST, BITS] = [-14, 10];
const LARGEST = 65504;

/** The nearest float16, to even if two are as near; the largest one for larger numbers. */
function toFloat16(value: number): number {
  const size = Math.min(Math.abs(value), LARGEST);
  const sign = value < 0 ? 0x8000 : 0;
  const exponent = Math.max(LEAST, Math.floor(Math.log2(size)));
  const fraction = toEven(size / 2 ** (exponent - BITS));
  // a fraction of BITS + 1 bits has carried or is normal, and adds 1 to the exponent
  return sign + (fraction < 2 ** BITS ? fraction : (exponent - LEAST) * 2 ** BITS + fraction);
}

function toEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return below + (rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? 1 : 0);
}

function fromFloat16(bits: number): number {
  const fraction = bits % 2 ** BITS;
  const exponent = (bits >> BITS) & 0x1f;
  const size =
    exponent === 0
      ? fraction * 2 ** (LEAST - BITS)
      : (fraction + 2 ** BITS) * 2 ** (exponent - 1 + LEAST - BITS);
  return bits & 0x8000 ? -size : size;
}
