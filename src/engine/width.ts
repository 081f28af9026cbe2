/** Finds out by computing which vectors this machine is fastest with. */

import { runtime } from '../host/index.js';
import { WebAssembly } from '../util/webassembly.js';
import type { Arithmetic } from './arithmetic.js';
import { MAX_PAGES } from './heap.js';
import { lowerKernel } from './kernels.js';
import { install, machineFunction, missingForMachineCode } from './machine-code.js';
import { assembleProduct } from './machine-product.js';
import {
  compileIr,
  knowsMerging,
  type MachineTarget,
  machineArithmetic,
  makeModule,
  makeOptimizedModule,
} from './simd-compile.js';
import type { MergedWidth } from './simd-tile.js';

/** Bits of the vectors of products; other kernels have at most 256. */
export type Width = MergedWidth | 512;

export interface WidthFinding {
  readonly width: Width;
  readonly reason: string;
}

/** Minimum speedup to choose the wider code. */
const MIN_GAIN = 1.15;

/** The width of WebAssembly's kernels; `us` is undefined if there was nothing to compare. */
interface MergedFinding {
  readonly width: MergedWidth;
  readonly reason: string;
  readonly us?: number;
}

let narrow: MergedFinding | undefined;
let wide: WidthFinding | undefined;

/** The fastest width on this machine; takes some milliseconds the first time. */
export function measuredWidth(arithmetic = machineArithmetic()): WidthFinding {
  if (missingFor512(arithmetic) === undefined) {
    wide ??= measureWide();
    return wide;
  }
  const { width, reason } = measuredMergedWidth();
  return { width, reason };
}

/** Why there are no vectors of 512 bits for this arithmetic; undefined if there are. */
export function missingFor512(arithmetic = machineArithmetic()): string | undefined {
  const { platform, arch } = runtime;
  // also of pages, which have no machine code
  if (platform !== 'linux' || arch !== 'x64') return `there are none for ${platform} ${arch}`;
  if (arithmetic === 'separate') return 'products and sums are rounded separately';
  return missingForMachineCode();
}

/** Falls back to narrower vectors if there are none of 512 bits. */
export function machineTarget(width?: Width, arithmetic = machineArithmetic()): MachineTarget {
  const asked = width ?? measuredWidth(arithmetic).width;
  const isWide = asked === 512 && missingFor512(arithmetic) === undefined;
  return { arithmetic, width: asked === 512 ? measuredMergedWidth().width : asked, isWide };
}

/** The widest vectors below those of `target`; undefined if there are none. */
export function narrower({ arithmetic, width, isWide }: MachineTarget): MachineTarget | undefined {
  if (isWide) return { arithmetic, width, isWide: false };
  return width === 256 ? { arithmetic, width: 128, isWide } : undefined;
}

/** The width that programs for `width` have here; undefined: the fastest. */
export function usedWidth(width?: Width, arithmetic?: Arithmetic): Width {
  return widthOf(machineTarget(width, arithmetic));
}

export function widthOf({ width, isWide }: MachineTarget): Width {
  return isWide ? 512 : width;
}

function measureWide(): WidthFinding {
  const { width, us = fastest(mergedProduct(width)) } = measuredMergedWidth();
  const most = fastest(wideProduct());
  const reason = `a product took ${most.toFixed(1)} us at 512 bits, ${us.toFixed(1)} us at ${width}`;
  return { width: us / most >= MIN_GAIN ? 512 : width, reason };
}

function measuredMergedWidth(): MergedFinding {
  narrow ??= measureMerged();
  return narrow;
}

function measureMerged(): MergedFinding {
  if (!knowsMerging()) {
    const what = runtime.arch === 'x64' ? `Node ${runtime.version}` : runtime.arch;
    return { width: 128, reason: `${what} does not merge vectors` };
  }
  const us = fastest(mergedProduct(128));
  const twice = fastest(mergedProduct(256));
  const reason = `a product took ${twice.toFixed(1)} us at 256 bits, ${us.toFixed(1)} us at 128`;
  return us / twice >= MIN_GAIN ? { width: 256, reason, us: twice } : { width: 128, reason, us };
}

const [ROWS, INNER, COLUMNS] = [20, 64, 64];
const RUNS = 20;
const ROUNDS = 25;

const memory = { initial: 2, maximum: MAX_PAGES, shared: true };
const sum = 's += a[this.thread.y][k] * b[k][this.thread.x];';

/** A product, [20, 64] x [64, 64]. */
const PRODUCT = {
  source: `function (a, b) { let s = 0; for (let k = 0; k < ${INNER}; k++) { ${sum} } return s; }`,
  parameters: [
    { name: 'a', type: 'array', extents: [INNER, ROWS] },
    { name: 'b', type: 'array', extents: [COLUMNS, INNER] },
  ],
  extents: { x: COLUMNS, y: ROWS, z: 1 },
} as const;

type Run = (...operands: number[]) => void;

function mergedProduct(width: MergedWidth): Run {
  const target = { arithmetic: machineArithmetic(), width };
  const { bytes } = compileIr(lowerKernel(PRODUCT).fused, { parameters: PRODUCT.parameters, target, memory });
  const module = width === 256 ? makeModule(bytes, width) : makeOptimizedModule(bytes);
  return new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory(memory) } }).exports.run;
}

function wideProduct(): Run {
  const code = assembleProduct(lowerKernel(PRODUCT).fused, PRODUCT.parameters)!;
  const run = machineFunction(new WebAssembly.Memory(memory), { address: install(code.bytes), floats: [] });
  return (...operands) => run(operands);
}

const B = ROWS * INNER * Float32Array.BYTES_PER_ELEMENT;
const OUTPUT = B + INNER * COLUMNS * Float32Array.BYTES_PER_ELEMENT;

/** Microseconds of the product in the fastest of several rounds. */
function fastest(product: Run): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const began = performance.now();
    for (let run = 0; run < RUNS; run++) product(0, B, OUTPUT, 0, 0);
    best = Math.min(best, performance.now() - began);
  }
  return (best / RUNS) * 1000;
}
