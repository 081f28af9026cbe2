/** Selects sequences of a split. Features are read through the original split, not copied. */
import type { Split } from './dataset.js';
import { selectTargets } from './packed.js';

/**
 * Returns the sequences `indices` of `split`, in that order.
 * @param steps T, the row width of targets per step
 */
export function subset(split: Split, indices: Uint32Array, steps: number): Split {
  const lengths = split.lengths && Int32Array.from(indices, i => (split.lengths as Int32Array)[i]);
  return {
    count: indices.length,
    targets: selectTargets(split.targets, indices, steps),
    ...(lengths?.some(length => length < steps) && { lengths }),
    read: (index, out, offset, stepStride) => split.read(indices[index], out, offset, stepStride),
    ...(split.load && {
      load: chosen => (split.load as NonNullable<Split['load']>)(chosen.map(index => indices[index])),
    }),
    ...(split.id && { id: index => (split.id as NonNullable<Split['id']>)(indices[index]) }),
    ...(split.idIsPlace && { idIsPlace: true }),
    ...(split.image && {
      image: index => (split.image as NonNullable<Split['image']>)(indices[index]),
    }),
  };
}
