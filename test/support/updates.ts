/** Updates of parameters by the kernels of an engine. */

import type { Value } from '../../src/engine/backend.js';
import type { Engine } from '../../src/engine/index.js';
import type { Updater } from '../../src/train/trainer.js';

/** A copy of `values` that kernels read. */
export function placed({ heap, arrays }: Engine, values: Float32Array): Float32Array {
  const copy = heap.allocate(values.length);
  copy.set(values);
  arrays.write(copy);
  return copy;
}

/** Updates `parameter` in place, unless a result is not finite; returns such results. */
export async function update(
  { arrays }: Engine,
  updater: Updater,
  [parameter, gradient]: readonly [Float32Array, Float32Array],
  at: { readonly step: number; readonly learningRate: number; readonly scale: Value },
): Promise<readonly Float32Array[]> {
  const proposed = await updater.propose(parameter, gradient, at);
  await arrays.read(proposed.total);
  const bad = await proposed.notFinite();
  if (bad.length === 0) proposed.accept();
  return bad;
}
