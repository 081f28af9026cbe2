/** Links programs as data, for hosts that do not compile: a web page, another machine. */
import type { Program } from '../math/graph/node.js';
import type { Arithmetic } from './arithmetic.js';
import { MAX_PAGES } from './heap.js';
import { type Copies, compileAlone, type LinkedPlan, linkPlan } from './link.js';
import { makePlan } from './plan.js';

/** The code of a kernel for each way in which a host adds products. */
export interface PortableKernel extends Copies {
  readonly bytes: Readonly<Record<Arithmetic, Uint8Array>>;
}

export type PortablePlan = LinkedPlan<PortableKernel>;

/** Not shared: a page that is not isolated shares no memory. */
const MEMORY = { initial: 1, maximum: MAX_PAGES, shared: false };

export function linkPortable(program: Program): PortablePlan {
  return linkPlan(makePlan(program), step => {
    const codeFor = (arithmetic: Arithmetic) => compileAlone(step, { arithmetic, width: 128 }, MEMORY);
    const [fused, separate] = [codeFor('fused'), codeFor('separate')];
    return {
      bytes: { fused: fused.bytes, separate: separate.bytes },
      // their tiles differ, and so may what they copy
      spareBytes: Math.max(fused.spareBytes, separate.spareBytes),
      packed: [...new Set([...fused.packed, ...separate.packed])],
    };
  });
}
