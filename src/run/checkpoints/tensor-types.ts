/**
 * Tensors that our safetensors files can contain: five element types, each with its typed array.
 */

interface Arrays {
  readonly F32: Float32Array;
  readonly F64: Float64Array;
  readonly I64: BigInt64Array;
  readonly I32: Int32Array;
  readonly U8: Uint8Array;
}

/** Element type, by its safetensors name. */
export type DType = keyof Arrays;

/** Row-major values with their shape; `[]` is a scalar, and a zero in the shape means no values. */
export type Tensor = {
  readonly [D in DType]: { readonly dtype: D; readonly shape: readonly number[]; readonly data: Arrays[D] };
}[DType];

/** Bytes per element. */
export const ELEMENT_BYTES: Readonly<Record<DType, number>> = { F32: 4, F64: 8, I64: 8, I32: 4, U8: 1 };

export function isDType(name: unknown): name is DType {
  return typeof name === 'string' && Object.hasOwn(ELEMENT_BYTES, name);
}

/** The number of values of `shape`; `undefined` if it is invalid or too large to count exactly. */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) return undefined;
    count *= size;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return count;
}

/**
 * A tensor over a copy of little-endian `bytes`, whose length must be a multiple of the element
 * size.
 */
export function tensorFromBytes(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  // typed arrays need an aligned start; `slice` would share memory if the bytes are a Buffer
  const copy = new Uint8Array(bytes).buffer;
  switch (dtype) {
    case 'F32':
      return { dtype, shape, data: new Float32Array(copy) };
    case 'F64':
      return { dtype, shape, data: new Float64Array(copy) };
    case 'I64':
      return { dtype, shape, data: new BigInt64Array(copy) };
    case 'I32':
      return { dtype, shape, data: new Int32Array(copy) };
    case 'U8':
      return { dtype, shape, data: new Uint8Array(copy) };
  }
}

/**
 * The tensor's bytes, without a copy. In practice Node runs only on little-endian machines, as the
 * format requires.
 */
export function tensorBytes(tensor: Tensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}
