/** The checkpoints of a run for its summary. */

import { bestOf, type CheckpointEntry, listCheckpoints } from './checkpoint-files.js';
import type { RunDirectory } from './directory.js';
import type { SavedCheckpoints } from './summary.js';

/**
 * The fields of summary.json about existing checkpoints.
 * @throws UserError (exit 5) if one is damaged
 */
export function savedCheckpoints(
  directory: RunDirectory,
  entries: readonly CheckpointEntry[] = listCheckpoints(directory.files.checkpoints),
): SavedCheckpoints {
  const last = entries.at(-1);
  const best = bestOf(entries);
  return {
    best: best
      ? { metric: best.metric.name, value: best.metric.value as number, step: best.step, epoch: best.epoch }
      : null,
    checkpoints: {
      last: last ? directory.nameOf(last.path) : null,
      best: best ? directory.nameOf(best.path) : null,
    },
  };
}
