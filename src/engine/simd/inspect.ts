/** What our compiler makes of a kernel, for people to read. */
import { sizeOf } from '../../graph/shape.js';
import type { Kernel, Step } from '../plan.js';
import { machineArithmetic } from './arithmetic.js';
import { compileKernel } from './compile.js';
import type { Layout } from './lower.js';

const FLOAT_BYTES = 4;
const VECTOR_BYTES = 16;
/** Room for copies of columns, as in a plan. */
const SPARE_BYTES = 15 * 65536;

/** The listing of `kernel`'s module with its arguments one after the other in memory, as its step `step` uses it. */
export function kernelListing(kernel: Kernel, step: Step): string {
  const arrays: Record<string, { offset: number; dims: number[] }> = {};
  const scalars: Record<string, { offset: number; type: string }> = {};
  let offset = 0;
  const place = (elements: number) => {
    const at = offset;
    offset += Math.ceil((elements * FLOAT_BYTES) / VECTOR_BYTES) * VECTOR_BYTES;
    return at;
  };
  kernel.text.arguments.forEach(({ name, type }, i) => {
    const operand = step.operands[i];
    if (type === 'Input' && typeof operand !== 'number') {
      arrays[name] = { offset: place(sizeOf(operand.shape)), dims: [...operand.shape].reverse() };
    } else scalars[name] = { offset: place(1), type };
  });
  const layout: Layout = { arrays, scalars };
  const [x, y = 1, z = 1] = [...kernel.output].reverse();
  const outputOffset = place(x * y * z);
  return compileKernel({
    source: kernel.text.source,
    layout,
    arithmetic: machineArithmetic(),
    outputOffset,
    extents: { x, y, z },
    memory: { initial: 1, maximum: 1, shared: false },
    spare: { begin: offset, end: offset + SPARE_BYTES },
  }).listing();
}
