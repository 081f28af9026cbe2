/** How a sequence is cut into segments, so that compile time and memory stay bounded whatever its length. */

/** Cell steps (time steps times layers) that one program unrolls at most; each costs about seven kernels. */
export const MAX_CELL_STEPS = 64;

export interface Segment {
  /** First step of the segment. */
  readonly start: number;
  readonly steps: number;
}

/**
 * Segments of `sequenceLength` steps: one if it is short enough, else as few as possible and all of one length, for
 * which a program is compiled once; a remainder goes to the first.
 */
export function cutIntoSegments(sequenceLength: number, numLayers: number): readonly Segment[] {
  const most = Math.max(1, Math.floor(MAX_CELL_STEPS / numLayers));
  const count = Math.ceil(sequenceLength / most);
  const steps = evenDivisor(sequenceLength, most) ?? Math.ceil(sequenceLength / count);
  const segments: Segment[] = [];
  for (let end = sequenceLength; end > 0; end -= steps) {
    const start = Math.max(0, end - steps);
    segments.unshift({ start, steps: end - start });
  }
  return segments;
}

/** The largest length between half of `most` and `most` that divides `total` without a remainder. */
function evenDivisor(total: number, most: number): number | undefined {
  if (total <= most) return total;
  for (let steps = most; steps * 2 > most; steps--) if (total % steps === 0) return steps;
  return undefined;
}
