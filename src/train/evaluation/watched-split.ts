/** A split that reports how far it has been read. */
import type { Split } from '../../data/index.js';
import type { EvaluationProgress } from '../run/observer.js';

/** `split`, but calls `watch` when each sequence is read; sequences are read in order. */
export function watchedSplit(split: Split, watch: (progress: EvaluationProgress) => void): Split {
  return {
    ...split,
    read(index, out, offset, stepStride) {
      split.read(index, out, offset, stepStride);
      watch({ done: index + 1, total: split.count });
    },
    ...(split.load && {
      async load(indices) {
        const loaded = await (split.load as NonNullable<Split['load']>)(indices);
        return watchedSplit(loaded, ({ done }) => watch({ done: indices[done - 1] + 1, total: split.count }));
      },
    }),
  };
}
