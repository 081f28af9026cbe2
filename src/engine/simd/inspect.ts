/** Prints the compiled code of a kernel for people. */
import type { Kernel, Step } from '../plan.js';
import { compileKernel } from './compile.js';
import type { Parameter } from './lower.js';
import { machineTarget } from './target.js';

/** The listing of `kernel`'s module as its step `step` uses it. */
export function kernelListing(kernel: Kernel, step: Step): string {
  const parameters = kernel.text.arguments.map(({ name, type }, i): Parameter => {
    const operand = step.operands[i];
    if (type === 'Integer' || typeof operand === 'number') return { name, type: 'integer' };
    if (type === 'Float') return { name, type: 'float' };
    return { name, type: 'array', extents: [...operand.shape].reverse() };
  });
  const [x, y = 1, z = 1] = [...kernel.output].reverse();
  return compileKernel({
    source: kernel.text.source,
    parameters,
    extents: { x, y, z },
    target: machineTarget(),
    memory: { initial: 1, maximum: 1, shared: true },
  }).listing();
}
