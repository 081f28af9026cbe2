import { settingsOf, type TypeOf } from '../../util/schema.js';
import { constant } from './constant.js';
import { cosine, linear } from './decays.js';
import { exponential, step } from './intervals.js';
import { one_cycle } from './one_cycle.js';
import { plateau } from './plateau.js';
import { type Observation, type Schedule, type UpdatesOrEpochs, updatesIn } from './schedule.js';

export type { Observation } from './schedule.js';

export const schedules = { constant, step, exponential, cosine, linear, one_cycle, plateau };

export const scheduleConfig = settingsOf('schedule', 'kind', schedules, {
  description:
    "How the learning rate changes during training, by kind. Values match PyTorch's schedulers. The rate of an update depends on its number, on the planned number of updates and, for plateau, on a metric. Without a schedule the rate is constant.",
  examples: [{ kind: 'cosine', warmup: { epochs: 1 } }],
  aliases: ['lr_schedule', 'scheduler', 'lr_scheduler', 'learning_rate_schedule'],
});

export type ScheduleConfig = TypeOf<typeof scheduleConfig>;

export function dependsOnLength(settings: ScheduleConfig | undefined): boolean {
  if (settings === undefined) return false;
  const kind: { dependsOnLength?(settings: never): boolean } = schedules[settings.kind];
  return kind.dependsOnLength?.(settings as never) ?? false;
}

/** Everything that the learning rate of an update depends on. */
export interface UpdatePlace {
  readonly update: number;
  readonly totalUpdates: number;
  readonly updatesPerEpoch: number;
  /** Values of the monitored metric, in order; may include ones measured after the update. */
  history(): readonly Observation[];
}

/**
 * Returns the learning rate of an update. A warm-up of w updates is PyTorch's `SequentialLR` of
 * `LinearLR` and the schedule: update k (0 for the first) has the rate base (start_factor + (1 -
 * start_factor) k / w), and the schedule starts at update w.
 */
export function rateOf(base: number, settings: ScheduleConfig | undefined, place: UpdatePlace): number {
  if (settings === undefined) return base;
  const { update, totalUpdates, updatesPerEpoch } = place;
  const warmup: Warmup | undefined = 'warmup' in settings ? settings.warmup : undefined;
  const before = warmup === undefined ? 0 : updatesIn(warmup, place);
  const done = update - 1 - before;
  if (warmup !== undefined && done < 0) {
    const { start_factor } = warmup;
    return base * (start_factor + ((1 - start_factor) * (update - 1)) / before);
  }
  const schedule = schedules[settings.kind] as Schedule<ScheduleConfig>;
  return schedule.rate(base, settings, {
    done,
    total: totalUpdates - before,
    updatesPerEpoch,
    observations: () =>
      place.history().filter(observation => observation.update > before && observation.update < update),
  });
}

interface Warmup extends UpdatesOrEpochs {
  readonly start_factor: number;
}
