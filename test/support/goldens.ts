/** PyTorch's values in float64 (test/fixtures/goldens), and what a program needs to be held against them. */
import { join } from 'node:path';
import { readSafetensors, type Tensor } from '../../src/experiment/safetensors.js';
import type { LossName } from '../../src/losses/index.js';
import { losses } from '../../src/losses/index.js';
import type { ModelSpec } from '../../src/model/spec.js';
import { packageRoot } from '../../src/root.js';

export const GOLDENS = [
  'lstm_base',
  'lstm_clip',
  'lstm_odd',
  'lstm_deep',
  'lstm_mse',
  'lstm_every',
  'lstm_lengths',
  'lstm_every_lengths',
] as const;

export interface Golden {
  readonly name: string;
  readonly spec: ModelSpec;
  readonly loss: LossName;
  readonly batch: number;
  readonly steps: number;
  readonly clip: number | null;
  readonly optimizers: Readonly<Record<string, Record<string, unknown>>>;
  /** Initial parameters by name. */
  readonly parameters: Readonly<Record<string, Float32Array>>;
  /** Inputs `x`, `target` and `weight` of the whole-sequence program. */
  readonly inputs: Readonly<Record<string, Float32Array>>;
  /** A tensor of the file in float64. */
  values(name: string): Float64Array;
}

export function golden(name: string): Golden {
  const file = readSafetensors(join(packageRoot, 'test/fixtures/goldens', `${name}.safetensors`));
  const meta = JSON.parse(file.metadata.case);
  const tensor = (key: string): Tensor => {
    const found = file.tensors.get(key);
    if (!found) throw new Error(`${name} has no ${key}`);
    return found;
  };
  const values = (key: string) => Float64Array.from(tensor(key).data as Iterable<number | bigint>, Number);
  const { B, T, F, H, L, C } = meta;
  const spec: ModelSpec = {
    cell: 'lstm',
    inputSize: F,
    hiddenSize: H,
    numLayers: L,
    outputSize: C,
    head: meta.from,
  };
  const loss: LossName = meta.loss;
  const counted = meta.from === 'every' ? T : 1;
  const y = values('y');
  const counts = Array.from(y, (label): number => (loss === 'cross_entropy' && label === -100 ? 0 : 1));
  const total = counts.reduce((sum, one) => sum + one, 0) / (loss === 'mse' ? C : 1);
  const weight = Float64Array.from(
    { length: B * counted },
    (_, i) => counts[i] * losses[loss].weight(total, C),
  );
  return {
    name,
    spec,
    loss,
    batch: B,
    steps: T,
    clip: meta.clip_grad_norm,
    optimizers: JSON.parse(file.metadata.optimizers),
    parameters: Object.fromEntries(
      [...file.tensors.keys()]
        .filter(key => key.startsWith('param.'))
        .map(key => [key.slice('param.'.length), Float32Array.from(values(key))]),
    ),
    inputs: {
      x: timeMajor(values('x'), B, T, F),
      target: meta.from === 'every' ? timeMajor(y, B, T, 1) : Float32Array.from(y),
      weight: timeMajor(weight, B, counted, 1),
      ...(file.tensors.has('lengths') && meta.from === 'last' ? { ends: endsOf(values('lengths'), T) } : {}),
    },
    values,
  };
}

/** `[B, T, F]` -> `[T, B, F]`. */
export function timeMajor(values: Float64Array, batch: number, steps: number, width: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < steps; t++) {
      const row = values.subarray((b * steps + t) * width, (b * steps + t + 1) * width);
      result.set(row, (t * batch + b) * width);
    }
  }
  return result;
}

/** [T, B], 1 at each sequence's last step. */
function endsOf(lengths: Float64Array, steps: number): Float32Array {
  const ends = new Float32Array(steps * lengths.length);
  lengths.forEach((length, b) => {
    ends[(length - 1) * lengths.length + b] = 1;
  });
  return ends;
}

/** ||a - b|| / ||b||, the Euclidean norm over all elements. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(difference / norm);
}
