/**
 * How this machine adds a product: rounded once (fused), if WebAssembly's relaxed multiply-add does
 * so here, or product and sum rounded each. Fused is up to a third faster and slightly more
 * accurate; processors have it since about 2013.
 */
import v8 from 'node:v8';
import { assembleModule, FunctionAssembler } from './simd-assembler.js';
import { WebAssembly } from './web-assembly.js';

export type Arithmetic = 'fused' | 'separate';

/** Node 20 needs this flag for the instruction; later versions do not know the flag. */
const FLAG = '--experimental-wasm-relaxed-simd';

let known: Arithmetic | undefined;

export function machineArithmetic(): Arithmetic {
  known ??= probe();
  return known;
}

/** The square of this needs more bits than a float has. */
const FACTOR = 1 + 2 ** -12;
/** The remainder of the square's lowest bit if it was rounded only after this was added. */
const ADDEND = -(1 + 2 ** -11);

function probe(): Arithmetic {
  const f = new FunctionAssembler('run', []);
  f.i32(0).float(FACTOR).float(FACTOR).float(ADDEND).op('f32x4.relaxed_madd').memory('v128.store', 0);
  const limits = { initial: 1, maximum: 1 };
  const bytes = assembleModule({ ...limits, shared: false }, f);
  if (!WebAssembly.validate(bytes)) v8.setFlagsFromString(FLAG);
  if (!WebAssembly.validate(bytes)) return 'separate';
  const memory = new WebAssembly.Memory(limits);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  exports.run();
  return new Float32Array(memory.buffer)[0] === 2 ** -24 ? 'fused' : 'separate';
}
