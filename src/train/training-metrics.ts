/** Training metrics: scores of predictions before their update, of a batch and over an epoch. */
import type { Split } from '../data/index.js';
import { lossOf, taskOf } from '../math/losses/index.js';
import { type MeasuredMetric, trainedMetrics } from '../math/metrics/index.js';
import type { PredictionMetric } from '../math/metrics/metric.js';
import { predictionsOf } from '../math/model/inputs.js';
import type { SplitMetrics } from '../run/summary.js';
import { Readout } from './predictions.js';
import type { ModelRun, ShardMemory } from './shards.js';
import type { StepResult } from './trainer.js';

/** Sums over predictions; the metrics are their means. */
export interface MetricSums {
  readonly sums: Readonly<Record<string, number>>;
  readonly predictions: number;
}

export const NO_METRICS: MetricSums = { sums: {}, predictions: 0 };

/** Adds two sums. Keeps only metrics that both have, unless `a` has no predictions. */
export function addSums(a: MetricSums, b: MetricSums): MetricSums {
  if (a.predictions === 0) return b;
  const both = Object.entries(a.sums).filter(([name]) => name in b.sums);
  return {
    sums: Object.fromEntries(both.map(([name, sum]) => [name, sum + b.sums[name]])),
    predictions: a.predictions + b.predictions,
  };
}

export function meansOf({ sums, predictions }: MetricSums): SplitMetrics {
  if (predictions === 0) return {};
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / predictions]));
}

export class BatchMetrics {
  private readonly metrics: readonly (readonly [MeasuredMetric, PredictionMetric])[];

  constructor(
    private readonly run: Pick<ModelRun, 'loss' | 'metrics' | 'spec' | 'sequenceLength'>,
    private readonly rows: number,
  ) {
    this.metrics = trainedMetrics(taskOf(run.loss), run.metrics);
  }

  /**
   * Metric sums of the batch with the sequences `indices` of `split`, which `shards` have computed.
   * Summed in batch order, so byte-identical for any number of threads and shards.
   */
  of({ targets }: Split, indices: Uint32Array, shards: readonly ShardMemory[]): MetricSums {
    const { metrics, rows } = this;
    if (metrics.length === 0) return NO_METRICS;
    const { loss, spec, sequenceLength } = this.run;
    const readout = new Readout(lossOf(loss), targets);
    const width = spec.outputSize;
    const each = predictionsOf(spec, sequenceLength);
    const steps = predictionsOf(spec, shards[0].batch.steps[0]);
    const sums = metrics.map(() => 0);
    let predictions = 0;
    indices.forEach((index, inBatch) => {
      const { batch, predictions: all } = shards[Math.floor(inBatch / rows)];
      const { weight } = batch.inputs;
      for (let step = 0; step < steps; step++) {
        const row = step * rows + (inBatch % rows);
        if (weight[row] === 0) continue;
        const outputs = all.subarray(row * width, (row + 1) * width);
        const at = index * each + step;
        const scored = { outputs, point: readout.point(outputs, at), target: readout.target(at) };
        for (let m = 0; m < sums.length; m++) sums[m] += metrics[m][1](scored);
        predictions++;
      }
    });
    return { sums: Object.fromEntries(metrics.map(([name], m) => [name, sums[m]])), predictions };
  }
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
    this.metrics = addSums(this.metrics, metrics);
  }

  get totals(): EpochTotals {
    const { loss, samples, metrics } = this;
    return { loss, samples, metrics };
  }

  /** Means over the epoch. `seconds` counts only this process. */
  means(): EpochMeans {
    const { loss, samples, seconds, metrics } = this;
    return { loss: loss / samples, metrics: meansOf(metrics), samples, seconds };
  }
}
