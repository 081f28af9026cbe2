/** Logarithms of probabilities, and their sums. */

/** The logarithm of 0. */
export const NEVER = Number.NEGATIVE_INFINITY;

export interface Sizes {
  readonly steps: number;
  /** The blank is the last. */
  readonly classes: number;
}

/** Log probabilities of the classes at each step of one sequence. */
export interface ClassProbabilities extends Sizes {
  /** `[T, C]`. */
  readonly logs: Float64Array;
}

/** @param outputs those of step t begin at `from + t * stride` */
export function classProbabilities(
  outputs: Float32Array | Float64Array,
  { steps, classes }: Sizes,
  from = 0,
  stride = classes,
): ClassProbabilities {
  const logs = new Float64Array(steps * classes);
  for (let t = 0; t < steps; t++) {
    const at = from + t * stride;
    const total = logTotal(outputs, at, classes);
    for (let k = 0; k < classes; k++) logs[t * classes + k] = outputs[at + k] - total;
  }
  return { steps, classes, logs };
}

/** The log of the sum of the exponentials of `classes` outputs. */
function logTotal(outputs: Float32Array | Float64Array, at: number, classes: number): number {
  let most = NEVER;
  for (let k = 0; k < classes; k++) most = Math.max(most, outputs[at + k]);
  let sum = 0;
  for (let k = 0; k < classes; k++) sum += Math.exp(outputs[at + k] - most);
  return most + Math.log(sum);
}

/** log(e^a + e^b + e^c). */
export function logSum(a: number, b: number, c = NEVER): number {
  const most = Math.max(a, b, c);
  if (most === NEVER) return most;
  return most + Math.log(Math.exp(a - most) + Math.exp(b - most) + Math.exp(c - most));
}
