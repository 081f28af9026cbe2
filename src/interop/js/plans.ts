/** Linked programs in the form of a module's file, in which equal time steps look equal. */
import type { PortablePlan } from '../../engine/link.js';

/** Its kernels are in the table of the module. */
export interface StoredPlan extends Omit<PortablePlan, 'codes' | 'steps'> {
  readonly codes: readonly number[];
  readonly steps: readonly StoredStep[];
}

interface StoredStep {
  readonly code: number;
  /** Of its operands: an input or a number, or -n for the result of the n-th step before. */
  readonly slots: readonly number[];
  /** Absent: 0. */
  readonly spare?: number;
  readonly kept?: number | undefined;
  /** -n for the n-th step before; absent if no step made its copies. */
  readonly copiedBy?: number;
}

/** @param codes indices in the table */
export function storedPlan({ steps, ...plan }: PortablePlan, codes: readonly number[]): StoredPlan {
  const first = firstResult(plan);
  return {
    ...plan,
    codes,
    steps: steps.map(({ code, slots, spare, copiedBy, kept }, i) => ({
      code,
      kept,
      // that of its result follows from its position
      slots: slots.slice(0, -1).map(slot => (slot < first ? slot : slot - (first + i))),
      ...(spare !== 0 && { spare }),
      ...(copiedBy >= 0 && { copiedBy: copiedBy - i }),
    })),
  };
}

/** The steps as they run. */
export function stepsOf({ steps, ...plan }: StoredPlan): PortablePlan['steps'] {
  const first = firstResult(plan);
  return steps.map(({ code, slots, spare = 0, copiedBy, kept }, i) => {
    const own = first + i;
    return {
      code,
      kept,
      slots: [...slots.map(slot => (slot < 0 ? own + slot : slot)), own],
      spare,
      copiedBy: copiedBy === undefined ? -1 : i + copiedBy,
    };
  });
}

/** The slot of the first step's result; those of inputs and numbers are before. */
function firstResult({ inputs, numbers }: Pick<PortablePlan, 'inputs' | 'numbers'>): number {
  return inputs.length + numbers.length;
}
