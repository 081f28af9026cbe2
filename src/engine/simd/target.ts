/** What the compiler writes code for. */
import { type Arithmetic, machineArithmetic } from './arithmetic.js';

/** Bits of the operations that the machine is expected to execute: 256 if V8 merges pairs. */
export type Width = 128 | 256;

export interface Target {
  readonly arithmetic: Arithmetic;
  readonly width: Width;
}

/** What suits this machine and this Node. */
export function machineTarget(): Target {
  return { arithmetic: machineArithmetic(), width: 128 };
}
