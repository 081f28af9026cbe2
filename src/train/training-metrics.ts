/** Training metrics: scores of predictions before their update, of a batch and over an epoch. */
import { lossOf, taskOf } from '../math/losses/index.js';
import { trainedMetrics } from '../math/metrics/index.js';
import { predictionsOf } from '../math/model/inputs.js';
import type { SplitMetrics } from '../run/summary.js';
import { Readout } from './predictions.js';
import type { ShardedBatches } from './shards.js';
import type { PreparedBatch, StepResult } from './trainer.js';

/** Sums over predictions; the metrics are their means. */
export interface MetricSums {
  readonly sums: Readonly<Record<string, number>>;
  readonly predictions: number;
}

export const NO_METRICS: MetricSums = { sums: {}, predictions: 0 };

/** Summed in batch order, so byte-identical for any number of threads and shards. */
export function batchMetrics(batches: ShardedBatches, { split, indices, slot }: PreparedBatch): MetricSums {
  const { loss, metrics: names, spec, sequenceLength } = batches.model;
  const metrics = trainedMetrics(taskOf(loss), names);
  if (metrics.length === 0) return NO_METRICS;
  const readout = new Readout(lossOf(loss), split.targets);
  const each = predictionsOf(spec, sequenceLength);
  const sums = metrics.map(() => 0);
  let predictions = 0;
  indices.forEach((index, inBatch) => {
    for (const { step, counts, outputs } of batches.predictions(slot, inBatch, split.lengths?.[index])) {
      if (!counts) continue;
      const at = index * each + step;
      const scored = { outputs, point: readout.point(outputs, at), target: readout.target(at) };
      for (let m = 0; m < sums.length; m++) sums[m] += metrics[m][1](scored);
      predictions++;
    }
  });
  return { sums: Object.fromEntries(metrics.map(([name], m) => [name, sums[m]])), predictions };
}

export interface EpochTotals {
  /** Loss summed over the sequences trained on. Skipped batches do not count here or below. */
  readonly loss: number;
  readonly samples: number;
  readonly metrics: MetricSums;
}

export interface EpochMeans {
  /** Mean over the sequences trained on so far in this epoch; NaN if every batch was skipped. */
  readonly loss: number;
  readonly metrics: SplitMetrics;
  readonly samples: number;
  readonly seconds: number;
}

export class EpochSums {
  totals: EpochTotals;
  private seconds = 0;

  constructor(totals: EpochTotals = { loss: 0, samples: 0, metrics: NO_METRICS }) {
    this.totals = totals.samples === 0 ? { ...totals, metrics: NO_METRICS } : totals;
  }

  add({ loss, updated, metrics }: StepResult, samples: number, seconds: number): void {
    this.seconds += seconds;
    if (!updated) return;
    const { totals } = this;
    this.totals = {
      loss: totals.loss + loss * samples,
      samples: totals.samples + samples,
      metrics: totals.metrics.predictions === 0 ? metrics : added(totals.metrics, metrics),
    };
  }

  /** Means over the epoch. `seconds` counts only this process. */
  means(): EpochMeans {
    const { loss, samples, metrics } = this.totals;
    const sums = metrics.predictions === 0 ? [] : Object.entries(metrics.sums);
    const means = Object.fromEntries(sums.map(([name, sum]) => [name, sum / metrics.predictions]));
    return { loss: loss / samples, metrics: means, samples, seconds: this.seconds };
  }
}

/** Only metrics that both have. */
function added(before: MetricSums, now: MetricSums): MetricSums {
  const both = Object.entries(before.sums).filter(([name]) => name in now.sums);
  const sums = Object.fromEntries(both.map(([name, sum]) => [name, sum + now.sums[name]]));
  return { sums, predictions: before.predictions + now.predictions };
}
