/** Warns of keys of `training` that have no effect, or an unintended one, with this data. */
import type { Diagnostic } from '../util/errors.js';
import { counted } from '../util/words.js';
import { batchesPerEpoch, warmupOf } from './data-facts.js';
import type { Experiment } from './experiment.js';
import type { LoadedExperiment } from './load.js';

export function* trainingWarnings(
  { experiment, locator }: LoadedExperiment,
  { count, lengths }: { readonly count: number; readonly lengths?: Int32Array },
): Iterable<Diagnostic> {
  const { training, optimizer } = experiment;
  const { batch_size, last_batch, bucket_by_length, early_stopping, max_steps } = training;
  if (batch_size > count && last_batch !== 'drop') {
    const message = `\`batch_size\` exceeds the training split (${counted(count, 'sequence')}), so an epoch is one step`;
    const more = { expected: `at most ${count}`, got: String(batch_size) };
    yield locator.atValue(['training', 'batch_size'], 'data/batch-size', message, more);
  }
  if (bucket_by_length && lengths === undefined) {
    const message = '`bucket_by_length` has no effect: all training sequences have the same length';
    yield locator.atValue(['training', 'bucket_by_length'], 'data/one-length', message);
  }
  const { schedule } = optimizer;
  // the first evaluation is always the best so far, and the one at the end of training is too late
  const patient = [
    [['training', 'early_stopping', 'patience'], early_stopping?.patience, 1],
    [['optimizer', 'schedule', 'patience'], schedule?.kind === 'plateau' ? schedule.patience : undefined, 2],
  ] as const;
  const evaluations = evaluationsOf(training, count);
  for (const [path, patience, more] of patient) {
    if (patience === undefined || patience + more < evaluations) continue;
    const message = `\`${path.join('.')}: ${patience}\` has no effect in this run: it needs ${counted(patience + more, 'evaluation')} before the last, but the run has ${evaluations} in total`;
    yield locator.atValue(path, 'config/unreached-patience', message, { got: String(patience) });
  }
  const { steps, epochs = 0 } = warmupOf(schedule) ?? {};
  const updates = steps ?? epochs * batchesPerEpoch(training, count);
  if (updates > 0 && max_steps !== undefined && updates >= max_steps) {
    const message = `\`max_steps\` ends training within the warm-up (${counted(updates, 'update')})`;
    const got = counted(max_steps, 'update');
    yield locator.atValue(['training', 'max_steps'], 'config/cut-warmup', message, { got });
  }
}

/** Number of evaluations of a run: after each epoch, every N steps, and after the last step. */
function evaluationsOf(training: Experiment['training'], trainCount: number): number {
  const { num_epochs, max_steps = Number.POSITIVE_INFINITY, evaluate_every } = training;
  const perEpoch = batchesPerEpoch(training, trainCount);
  const steps = Math.min(num_epochs * perEpoch, max_steps);
  const every = evaluate_every?.steps ?? perEpoch;
  let [a, b] = [perEpoch, every];
  while (b > 0) [a, b] = [b, a % b];
  // `a` is the greatest common divisor, so the last term counts steps that are multiples of both
  const regular =
    Math.floor(steps / perEpoch) + Math.floor(steps / every) - Math.floor(steps / ((perEpoch / a) * every));
  return regular + Number(steps % perEpoch > 0 && steps % every > 0);
}
