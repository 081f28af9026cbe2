/**
 * Sequences stored as consecutive float32 rows: a sequence is a range of rows. Padding is not
 * stored, so that one long sequence among many short ones costs no memory; selecting sequences
 * copies no features.
 */
import type { Split, Targets } from './dataset.js';
import { inMemory, RowValues } from './values.js';

export interface Packed {
  /** `[rows, F]`. */
  readonly features: Float32Array;
  /** F; 1 if steps are symbols. */
  readonly inputSize: number;
  /** First row of each sequence, `[N]`. */
  readonly starts: Uint32Array;
  /** Steps of each sequence, `[N]`. */
  readonly lengths: Int32Array;
  readonly targets: Targets;
}

/** Returns `packed` as a split, padded with zeros to `steps` (T). */
export function packedSplit(packed: Packed, steps: number): Split {
  const { features, inputSize, starts, lengths, targets } = packed;
  const read: Split['read'] = (index, out, offset, stepStride) => {
    const from = starts[index] * inputSize;
    const row = features.subarray(from, from + lengths[index] * inputSize);
    writeSteps(row, { inputSize, steps }, out, { offset, stepStride });
  };
  const base = { count: starts.length, targets, read };
  return lengths.every(length => length === steps) ? base : { ...base, lengths };
}

/**
 * Writes the steps of a sequence as `Split.read` does.
 * @param row `[length, F]`
 */
export function writeSteps(
  row: Float32Array,
  { inputSize, steps }: { readonly inputSize: number; readonly steps: number },
  out: Float32Array,
  { offset, stepStride }: { readonly offset: number; readonly stepStride: number },
): void {
  if (stepStride === inputSize) {
    out.set(row, offset);
    out.fill(0, offset + row.length, offset + steps * inputSize);
    return;
  }
  let to = offset;
  for (let from = 0; from < row.length; to += stepStride) {
    for (let f = 0; f < inputSize; f++) out[to + f] = row[from++];
  }
  for (const end = offset + steps * stepStride; to < end; to += stepStride) out.fill(0, to, to + inputSize);
}

/** Selects the targets of the sequences `indices`; `steps` is T. Targets on disk stay there. */
export function selectTargets(targets: Targets, indices: Uint32Array, steps: number): Targets {
  if (targets.kind === 'value') {
    const width = targets.size * (targets.perStep ? steps : 1);
    const values = new Float32Array(indices.length * width);
    return { ...targets, values: copyRows(targets.values, values, indices, width) };
  }
  const width = targets.perStep ? steps : 1;
  const from = inMemory(targets.values);
  const values = from
    ? copyRows(from, new Int32Array(indices.length * width), indices, width)
    : new RowValues(
        indices.length,
        width,
        length => new Int32Array(length),
        index => targets.values.subarray(indices[index] * width, (indices[index] + 1) * width),
      );
  return { ...targets, values };
}

function copyRows<T extends Float32Array | Int32Array>(from: T, to: T, rows: Uint32Array, width: number): T {
  rows.forEach((row, i) => {
    for (let j = 0; j < width; j++) to[i * width + j] = from[row * width + j];
  });
  return to;
}

/**
 * Wraps `load` of a split so that its result passes through `map`; empty if the split has no
 * `load`.
 */
export function mappedLoad({ load }: Split, map: (loaded: Split) => Split): Pick<Split, 'load'> {
  return load ? { load: async indices => map(await load(indices)) } : {};
}
