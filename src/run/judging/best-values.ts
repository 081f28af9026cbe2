/** The best value of each metric over a run's evaluations. */
import { largerIsBetter } from '../../config/rules/metrics.js';
import { metricsIn } from '../log/metric-fields.js';

export class BestValues {
  private readonly values = new Map<string, number>();

  /** Adds a value; values that are not finite are ignored. */
  add(metric: string, value: unknown): void {
    if (typeof value !== 'number' || !Number.isFinite(value)) return;
    const best = this.values.get(metric);
    if (best === undefined || (largerIsBetter(metric) ? value > best : value < best))
      this.values.set(metric, value);
  }

  /**
   * Adds the metrics of a log event: the training metrics of an epoch, or those of an evaluation.
   */
  addEvent(event: { readonly event: string; readonly [field: string]: unknown }): void {
    const split = event.event === 'train.epoch' ? 'train' : event.event === 'eval' ? event.split : undefined;
    if (split === undefined) return;
    for (const name of metricsIn(event)) this.add(`${split}.${name}`, event[name]);
  }

  /** The best value; undefined if none was finite. */
  get(metric: string): number | undefined {
    return this.values.get(metric);
  }
}
