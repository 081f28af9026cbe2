/** What the compiler writes code for. */
import v8 from 'node:v8';
import { type Arithmetic, machineArithmetic } from './arithmetic.js';

/** Bits of the operations that the machine is expected to execute: 256 if V8 merges pairs. */
export type Width = 128 | 256;

export interface Target {
  readonly arithmetic: Arithmetic;
  readonly width: Width;
}

if (process.env.CR_FLAGS) for (const f of process.env.CR_FLAGS.split(' ')) v8.setFlagsFromString(f);
/** What suits this machine and this Node. */
export function machineTarget(): Target {
  return { arithmetic: machineArithmetic(), width: (Number(process.env.CR_WIDTH) || 128) as Width };
}
