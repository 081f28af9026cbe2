/**
 * When training ends before its last step: decided by recorded metrics alone, so a resumed run
 * decides alike.
 */
import type { EarlyStopping, Experiment } from '../../config/index.js';
import { largerIsBetter } from '../../config/rules/metrics.js';

/** A metric's value at an evaluation. */
export interface Measurement {
  /** Optimizer updates made by then. */
  readonly update: number;
  readonly value: number;
}

export interface Patience {
  /** The best value so far; undefined before the first finite one. */
  readonly best: number | undefined;
  /** Evaluations since the best value. */
  readonly stale: number;
}

/**
 * The state of early stopping after `history`. A value improves if it is better than the best by
 * more than `min_delta`; a value that is not finite never improves.
 */
export function patienceAfter(
  history: readonly Measurement[],
  { metric, min_delta }: Pick<EarlyStopping, 'metric' | 'min_delta'>,
): Patience {
  const sign = largerIsBetter(metric) ? 1 : -1;
  let best: number | undefined;
  let stale = 0;
  for (const { value } of history) {
    const improves = Number.isFinite(value) && (best === undefined || sign * (value - best) > min_delta);
    if (improves) {
      best = value;
      stale = 0;
    } else stale++;
  }
  return { best, stale };
}

/** Whether training is to stop after `history`: `patience` evaluations in a row did not improve. */
export function isExhausted(history: readonly Measurement[], settings: EarlyStopping): boolean {
  return patienceAfter(history, settings).stale >= settings.patience;
}

/** The metrics whose values decide what a run does next. */
export function watchedMetrics({ training, optimizer }: Experiment): ReadonlySet<string> {
  const { early_stopping } = training;
  const { schedule } = optimizer;
  return new Set([
    ...(early_stopping ? [early_stopping.metric] : []),
    ...(schedule?.kind === 'plateau' ? [schedule.metric] : []),
  ]);
}

/** The metrics of a run whose values decide what follows, by name, at every evaluation so far. */
export class MetricHistory {
  private readonly series: Map<string, Measurement[]>;

  /** @param metrics names such as `validation.loss` */
  constructor(metrics: Iterable<string> = []) {
    this.series = new Map([...metrics].map(name => [name, []]));
  }

  /** Adds the values of the metrics that this history keeps; NaN for one that was not measured. */
  add(update: number, measured: (metric: string) => number | undefined): void {
    for (const [name, values] of this.series) values.push({ update, value: measured(name) ?? Number.NaN });
  }

  /** Names of the metrics that this history keeps. */
  get metrics(): Iterable<string> {
    return this.series.keys();
  }

  of(metric: string): readonly Measurement[] {
    return this.series.get(metric) ?? [];
  }

  /** Takes over what an earlier process measured of the metrics that this history keeps. */
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

  /** For a checkpoint; without the metrics that have no value yet. */
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
