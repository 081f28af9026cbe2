/**
 * Differences between two backends after the same optimizer steps, and their tolerances for
 * rounding.
 */
import type { Parameter as LaidOut } from '../math/model/parameters.js';
import type { StepResult } from '../train/trainer.js';
import { relative } from './norms.js';

type Parameter = Pick<LaidOut, 'name' | 'offset' | 'size'>;

/** The state of one backend after a step. */
export interface Standing {
  readonly backend: string;
  readonly result: Pick<StepResult, 'loss' | 'gradientNorm' | 'updated'>;
  /** Flat, in the layout's order. */
  readonly parameters: Float32Array;
}

/** Difference of one result of a step between two backends. */
export interface Apart {
  /** `loss`, `gradient_norm`, `update` (made or skipped) or the name of a parameter. */
  readonly tensor: string;
  readonly backends: readonly [string, string];
  /**
   * Relative to the larger of both. For a parameter, ||a - b|| relative to the larger of the
   * tensor's two changes since the start. Infinite if only one backend makes the update.
   */
  readonly difference: number;
  readonly tolerance: number;
}

/**
 * Maximum differences. The first step starts from equal parameters, so its loss and gradient differ
 * only by rounding. Later ones start from different parameters, and training may amplify that.
 */
export const TOLERANCES = {
  first_step: { loss: 1e-5, gradient_norm: 1e-4, parameters: 1e-3 },
  later_steps: { loss: 1e-3, gradient_norm: 1e-3, parameters: 1e-3 },
} as const;

/** Differences of all results of a step, in the order of their computation. */
export function compareStandings(
  step: number,
  [a, b]: readonly [Standing, Standing],
  parameters: readonly Parameter[],
  initial: Float32Array,
): Apart[] {
  const tolerances = step === 1 ? TOLERANCES.first_step : TOLERANCES.later_steps;
  const apart = (tensor: string, difference: number, tolerance: number): Apart => ({
    tensor,
    backends: [a.backend, b.backend],
    difference,
    tolerance,
  });
  const numbers = [
    apart('loss', numbersApart(a.result.loss, b.result.loss), tolerances.loss),
    apart(
      'gradient_norm',
      numbersApart(a.result.gradientNorm, b.result.gradientNorm),
      tolerances.gradient_norm,
    ),
  ];
  if (a.result.updated !== b.result.updated)
    return [...numbers, apart('update', Number.POSITIVE_INFINITY, 0)];
  const tensors = parameters.map(parameter =>
    apart(parameter.name, waysApart(a.parameters, b.parameters, initial, parameter), tolerances.parameters),
  );
  return [...numbers, ...tensors];
}

/** True if `difference` exceeds its tolerance or is NaN. */
export function isBeyond(apart: Apart): boolean {
  return strain(apart) > 1;
}

/** `difference` relative to its tolerance; above 1 it is too large. */
export function strain({ difference, tolerance }: Apart): number {
  const part = difference / tolerance;
  return Number.isNaN(part) ? Number.POSITIVE_INFINITY : part;
}

/**
 * For each tensor, its difference closest to the tolerance or furthest beyond it, in the order of
 * `all`.
 */
export function worstByTensor<T extends Apart>(all: readonly T[]): T[] {
  const worst = new Map<string, T>();
  for (const one of all) {
    const known = worst.get(one.tensor);
    if (known === undefined || strain(one) > strain(known)) worst.set(one.tensor, one);
  }
  return [...worst.values()];
}

function numbersApart(a: number, b: number): number {
  return relative(Math.abs(a - b), Math.max(Math.abs(a), Math.abs(b)));
}

function waysApart(
  a: Float32Array,
  b: Float32Array,
  initial: Float32Array,
  { offset, size }: Parameter,
): number {
  let [apart, wayOfA, wayOfB] = [0, 0, 0];
  for (let i = offset; i < offset + size; i++) {
    apart += (a[i] - b[i]) ** 2;
    wayOfA += (a[i] - initial[i]) ** 2;
    wayOfB += (b[i] - initial[i]) ** 2;
  }
  return relative(Math.sqrt(apart), Math.sqrt(Math.max(wayOfA, wayOfB)));
}
