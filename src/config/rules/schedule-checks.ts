/** Rules about the learning rate schedule that the schema cannot express. */
import type { Diagnostic } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import type { PartialExperiment, ScheduleConfig } from '../experiment.js';
import type { Locator } from '../yaml/locator.js';
import { checkSelectingMetric } from './gate-checks.js';

const SCHEDULE = ['optimizer', 'schedule'] as const;

/** True if the learning rate of an update depends on the planned number of updates. */
export function dependsOnLength(schedule: ScheduleConfig | undefined): boolean {
  switch (schedule?.kind) {
    case 'one_cycle':
      return true;
    case 'cosine':
    case 'linear':
      return schedule.length === undefined;
    default:
      return false;
  }
}

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
 * Checks that the warm-up is shorter than training, as far as known.
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
  const { num_epochs, max_steps = Number.POSITIVE_INFINITY, batch_size, last_batch } = training;
  const perEpoch = (trainCount ?? Number.POSITIVE_INFINITY) / batch_size;
  const batches = last_batch === 'drop' ? Math.floor(perEpoch) : Math.ceil(perEpoch);
  const total = Math.min(num_epochs * batches, max_steps);
  const report = (key: string, got: string, length: string): Diagnostic[] => {
    const message = `the warm-up must be shorter than training (${length})`;
    return [locator.atValue([...WARMUP, key], 'config/schedule', message, { got })];
  };
  if (epochs !== undefined && epochs >= num_epochs)
    return report('epochs', counted(epochs, 'epoch'), counted(num_epochs, 'epoch'));
  if (total < 1) return [];
  if (epochs !== undefined && Number.isFinite(batches) && epochs * batches >= total)
    return report(
      'epochs',
      `${counted(epochs, 'epoch')}, which have ${counted(epochs * batches, 'update')}`,
      counted(total, 'update'),
    );
  if (steps !== undefined && steps >= total)
    return report('steps', counted(steps, 'update'), counted(total, 'update'));
  return [];
}

const WARMUP = [...SCHEDULE, 'warmup'];

function warmupOf(schedule: ScheduleConfig | undefined) {
  return schedule !== undefined && 'warmup' in schedule ? schedule.warmup : undefined;
}
