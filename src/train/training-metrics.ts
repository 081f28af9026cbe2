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
  private loss: number;
  private samples: number;
  private metrics: MetricSums;
  private seconds = 0;

  constructor({ loss, samples, metrics }: EpochTotals = { loss: 0, samples: 0, metrics: NO_METRICS }) {
    this.loss = loss;
    this.samples = samples;
    this.metrics = samples === 0 ? NO_METRICS : metrics;
  }

  add({ loss, updated, metrics }: StepResult, samples: number, seconds: number): void {
    this.seconds += seconds;
    if (!updated) return;
    this.loss += loss * samples;
    this.samples += samples;
    const before = this.metrics;
    if (before.predictions === 0) this.metrics = metrics;
    else {
      // only metrics that both have
      const both = Object.entries(before.sums).filter(([name]) => name in metrics.sums);
      const sums = Object.fromEntries(both.map(([name, sum]) => [name, sum + metrics.sums[name]]));
      this.metrics = { sums, predictions: before.predictions + metrics.predictions };
    }
  }

  get totals(): EpochTotals {
    const { loss, samples, metrics } = this;
    return { loss, samples, metrics };
  }

  /** Means over the epoch. `seconds` counts only this process. */
  means(): EpochMeans {
    const { loss, samples, seconds, metrics } = this;
    const sums = metrics.predictions === 0 ? [] : Object.entries(metrics.sums);
    const means = Object.fromEntries(sums.map(([name, sum]) => [name, sum / metrics.predictions]));
    return { loss: loss / samples, metrics: means, samples, seconds };
  }
}
