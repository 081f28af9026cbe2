/**
 * The plan of a run: the order of its batches, its steps, learning rates and log interval, and
 * early stopping, whose decisions depend only on recorded metrics, so that a resumed run makes the
 * same ones.
 */
import type { EarlyStopping, Experiment, LoadedExperiment } from '../config/index.js';
import { BatchOrder, targetLengthsOf } from '../data/index.js';
import { largerIsBetter } from '../math/metrics/index.js';
import { rateOf } from '../math/schedules/index.js';
import type { EventFields } from '../run/events.js';
import type { Position } from './loop.js';
import type { Session } from './session.js';

export type RunPlan = ReturnType<typeof planRun>;

/**
 * The order of the batches, from the start or from a position, and the steps of the whole run.
 * Earlier epochs may have had other batches.
 */
export function planRun(
  { experiment: { training, seed } }: LoadedExperiment,
  { dataset }: Session,
  at?: Pick<Position, 'step' | 'order'>,
) {
  const options = {
    count: dataset.train.count,
    batchSize: training.batch_size,
    shuffle: training.shuffle,
    lastBatch: training.last_batch,
    seed,
    lengths: dataset.train.lengths,
    targetLengths: targetLengthsOf(dataset.train),
    bucketByLength: training.bucket_by_length,
  };
  const order = at ? BatchOrder.restore(options, at.order) : new BatchOrder(options);
  const { batchesPerEpoch } = order;
  const { max_steps: most = Number.POSITIVE_INFINITY, num_epochs } = training;
  const left = (num_epochs - order.epoch) * batchesPerEpoch - order.position;
  return { order, batchesPerEpoch, totalSteps: Math.min(most, (at?.step ?? 0) + left) };
}

/** Minimum number of logged steps, if the run has that many. */
const MIN_LOGGED = 200;

/** Default interval between logged steps: 1, 2 or 5 times a power of ten. */
export function defaultLogEvery(totalSteps: number): number {
  const most = totalSteps / MIN_LOGGED;
  if (!(most >= 1)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map(digit => digit * power).find(every => every <= most) ?? power;
}

/** `metrics` is the history of the watched metrics; none outside a run. */
export function learningRates(
  { optimizer }: Pick<Experiment, 'optimizer'>,
  { totalSteps, batchesPerEpoch }: Pick<RunPlan, 'totalSteps' | 'batchesPerEpoch'>,
  metrics?: MetricHistory,
): (update: number) => number {
  const { learning_rate, schedule } = optimizer;
  const history = () => (schedule?.kind === 'plateau' && metrics ? metrics.of(schedule.metric) : []);
  return update =>
    rateOf(learning_rate, schedule, {
      update,
      totalUpdates: totalSteps,
      updatesPerEpoch: batchesPerEpoch,
      history,
    });
}

export interface Measurement {
  readonly update: number;
  readonly value: number;
}

export type EarlyStop = Omit<EventFields['early_stop'], 'epoch' | 'step'>;

/**
 * The reason to stop: the last `patience` evaluations did not improve. A value improves if it is
 * better than the best by more than `min_delta`; a value that is not finite never improves.
 */
export function earlyStop(history: readonly Measurement[], settings: EarlyStopping): EarlyStop | undefined {
  const { metric, min_delta } = settings;
  const sign = largerIsBetter(metric) ? 1 : -1;
  let best = Number.NaN;
  let stale = 0;
  for (const { value } of history) {
    const improves = Number.isFinite(value) && (Number.isNaN(best) || sign * (value - best) > min_delta);
    if (improves) best = value;
    stale = improves ? 0 : stale + 1;
  }
  if (!(stale >= settings.patience)) return undefined;
  return { metric, value: history.at(-1)?.value ?? Number.NaN, best, patience: stale };
}

export function watchedMetrics({ training, optimizer }: Experiment): ReadonlySet<string> {
  const { early_stopping } = training;
  const { schedule } = optimizer;
  return new Set([
    ...(early_stopping ? [early_stopping.metric] : []),
    ...(schedule?.kind === 'plateau' ? [schedule.metric] : []),
  ]);
}

/** The history of the watched metrics: their values at every evaluation so far, by name. */
export class MetricHistory {
  private readonly series: Map<string, Measurement[]>;

  constructor(metrics: Iterable<string> = []) {
    this.series = new Map([...metrics].map(name => [name, []]));
  }

  /** Adds a value of each watched metric; NaN if it was not measured. */
  add(update: number, measured: (metric: string) => number | undefined): void {
    for (const [name, values] of this.series) values.push({ update, value: measured(name) ?? Number.NaN });
  }

  get metrics(): Iterable<string> {
    return this.series.keys();
  }

  of(metric: string): readonly Measurement[] {
    return this.series.get(metric) ?? [];
  }

  restore(saved: SavedHistory): void {
    for (const [name, values] of this.series) {
      const earlier = saved[name] ?? [];
      values.splice(
        0,
        values.length,
        ...earlier.map(([update, value]) => ({ update, value: value ?? Number.NaN })),
      );
    }
  }

  /** The history for a checkpoint, without metrics that have no value yet. */
  get saved(): SavedHistory {
    const entries = [...this.series].filter(([, values]) => values.length > 0);
    return Object.fromEntries(
      entries.map(([name, values]) => [
        name,
        values.map(({ update, value }) => [update, Number.isFinite(value) ? value : null] as const),
      ]),
    );
  }
}

/** By metric: update and value of each evaluation; null for a value that is not finite. */
export type SavedHistory = Readonly<
  Record<string, readonly (readonly [update: number, value: number | null])[]>
>;
