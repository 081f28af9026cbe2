/** Rules about the learning rate schedule that the schema cannot express. */
import type { Diagnostic } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { Experiment, PartialExperiment, ScheduleConfig } from './experiment.js';
import { checkSelectingMetric } from './gate-checks.js';
import type { LoadedExperiment } from './load.js';
import type { Locator } from './yaml/locator.js';

const SCHEDULE = ['optimizer', 'schedule'] as const;

export function checkSchedule(experiment: PartialExperiment, locator: Locator): Diagnostic[] {
  const { optimizer } = experiment;
  const schedule = optimizer?.schedule;
  if (optimizer === undefined || schedule === undefined) return [];
  const found: Diagnostic[] = [];
  const { learning_rate } = optimizer;
  if ('min_learning_rate' in schedule && schedule.min_learning_rate > learning_rate) {
    const message = `\`min_learning_rate\` must not exceed \`learning_rate\` (${learning_rate})`;
    const more = { expected: `at most ${learning_rate}`, got: String(schedule.min_learning_rate) };
    found.push(locator.atValue([...SCHEDULE, 'min_learning_rate'], 'config/schedule', message, more));
  }
  if (schedule.kind === 'plateau')
    found.push(...checkSelectingMetric(experiment, schedule.metric, [...SCHEDULE, 'metric'], locator));
  const warmup = warmupOf(schedule);
  if (warmup !== undefined && (warmup.steps === undefined) === (warmup.epochs === undefined)) {
    const [path, message] =
      warmup.steps === undefined
        ? [WARMUP, '`warmup` needs a length']
        : [[...WARMUP, 'steps'], '`steps` and `epochs` cannot be combined'];
    found.push(locator.atKey(path, 'config/schedule', message, { expected: '`steps` or `epochs`' }));
  }
  return found;
}

/**
 * Checks that the warm-up is shorter than `num_epochs`, as far as known.
 * @param trainCount number of training sequences, if known
 */
export function checkWarmup(
  { optimizer, training }: PartialExperiment,
  trainCount: number | undefined,
  locator: Locator,
): Diagnostic[] {
  const warmup = warmupOf(optimizer?.schedule);
  if (warmup === undefined || training === undefined) return [];
  const { steps, epochs } = warmup;
  const { num_epochs } = training;
  const total = num_epochs * batchesPerEpoch(training, trainCount ?? Number.POSITIVE_INFINITY);
  const report = (key: string, got: string, length: string): Diagnostic[] => {
    const message = `the warm-up must be shorter than training (${length})`;
    return [locator.atValue([...WARMUP, key], 'config/schedule', message, { got })];
  };
  if (epochs !== undefined && epochs >= num_epochs)
    return report('epochs', counted(epochs, 'epoch'), counted(num_epochs, 'epoch'));
  if (steps !== undefined && total >= 1 && steps >= total)
    return report('steps', counted(steps, 'update'), counted(total, 'update'));
  return [];
}

/** Warns of a first try that `max_steps` ends within the warm-up. */
export function checkCutWarmup(
  { experiment, locator }: LoadedExperiment,
  { count }: { readonly count: number },
): Diagnostic[] {
  const { training, optimizer } = experiment;
  const warmup = warmupOf(optimizer.schedule);
  if (warmup === undefined || training.max_steps === undefined) return [];
  const { steps, epochs = 0 } = warmup;
  const updates = steps ?? epochs * batchesPerEpoch(training, count);
  if (updates < training.max_steps) return [];
  const message = `\`max_steps\` ends training within the warm-up (${counted(updates, 'update')})`;
  const got = counted(training.max_steps, 'update');
  return [locator.atValue(['training', 'max_steps'], 'config/cut-warmup', message, { got })];
}

export function batchesPerEpoch(
  { batch_size, last_batch }: Pick<Experiment['training'], 'batch_size' | 'last_batch'>,
  trainCount: number,
): number {
  const batches = trainCount / batch_size;
  return last_batch === 'drop' ? Math.floor(batches) : Math.ceil(batches);
}

const WARMUP = [...SCHEDULE, 'warmup'];

function warmupOf(schedule: ScheduleConfig | undefined) {
  return schedule !== undefined && 'warmup' in schedule ? schedule.warmup : undefined;
}
