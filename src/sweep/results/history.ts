/** The objective after each epoch of a trial's run, from the run's log. */

import { join } from 'node:path';
import { type LoggedEvent, readEvents } from '../../run/log.js';
import { UserError } from '../../util/errors.js';
import type { SweepPlan } from '../plan.js';

interface EpochValue {
  readonly epoch: number;
  /** The objective's metric; null if it is not finite. */
  readonly value: number | null;
}

/** Values of the run in `directory`; empty if it does not exist or its log cannot be read. */
export function epochValues(
  { objective }: Pick<SweepPlan, 'objective'>,
  directory: string,
): readonly EpochValue[] {
  const [split, name] = objective.metric.split('.');
  const event = split === 'train' ? 'train.epoch' : 'eval';
  const byEpoch = new Map<number, EpochValue>();
  for (const record of eventsOf(directory)) {
    const { epoch } = record;
    if (record.event !== event || typeof epoch !== 'number') continue;
    if (event === 'eval' && record.split !== split) continue;
    const value = record[name];
    // an epoch may have evaluations before the one that ends it
    byEpoch.set(epoch, { epoch, value: typeof value === 'number' ? value : null });
  }
  return [...byEpoch.values()];
}

function eventsOf(path: string): readonly LoggedEvent[] {
  try {
    return readEvents(join(path, 'log.jsonl'));
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}
