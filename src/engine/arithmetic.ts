/** How a machine adds a product. */
import { WebAssembly } from '../util/webassembly.js';

/**
 * Rounded once (fused), if WebAssembly's relaxed multiply-add does so here, or product and sum
 * rounded each. Fused is up to a third faster and slightly more accurate; processors have it since
 * about 2013.
 */
export type Arithmetic = 'fused' | 'separate';

/** The square of this needs more bits than a float has. */
export const FACTOR = 1 + 2 ** -12;
/** The remainder of the square's lowest bit if it was rounded only after this was added. */
export const ADDEND = -(1 + 2 ** -11);

/** @param probe a module that writes the relaxed FACTOR * FACTOR + ADDEND to address 0 */
export function arithmeticOf(probe: Uint8Array): Arithmetic {
  if (!WebAssembly.validate(probe)) return 'separate';
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(probe), { env: { memory } });
  exports.run();
  return new Float32Array(memory.buffer)[0] === 2 ** -24 ? 'fused' : 'separate';
}
