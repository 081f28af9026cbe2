/** Training metrics: scores of a batch's predictions, computed before its update. */
import { lossFacts, type MeasuredMetric } from '../config/index.js';
import type { Split } from '../data/index.js';
import { lossOf } from '../math/losses/index.js';
import { trainedMetrics } from '../math/metrics/index.js';
import type { PredictionMetric } from '../math/metrics/metric.js';
import { predictionsOf } from '../math/model/inputs.js';
import type { SplitMetrics } from '../run/summary.js';
import { Readout } from './predictions.js';
import type { ModelRun, ShardMemory } from './shards.js';

/** Sums over predictions; the metrics are their means. */
export interface MetricSums {
  /** By the metric's name. */
  readonly sums: Readonly<Record<string, number>>;
  /** Predictions that counted. */
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

/** The metrics; empty if there are no predictions. */
export function meansOf({ sums, predictions }: MetricSums): SplitMetrics {
  if (predictions === 0) return {};
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / predictions]));
}

export class BatchMetrics {
  private readonly metrics: readonly (readonly [MeasuredMetric, PredictionMetric])[];

  /** @param rows number of rows per shard */
  constructor(
    private readonly run: Pick<ModelRun, 'loss' | 'metrics' | 'spec' | 'sequenceLength'>,
    private readonly rows: number,
  ) {
    this.metrics = trainedMetrics(lossFacts(run.loss).task, run.metrics);
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
