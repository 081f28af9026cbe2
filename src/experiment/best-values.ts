/** The best value of each metric over a run's evaluations. */
import { largerIsBetter } from '../config/metrics.js';

export class BestValues {
  private readonly values = new Map<string, number>();

  /** A value that is not finite is never the best. */
  add(metric: string, value: unknown): void {
    if (typeof value !== 'number' || !Number.isFinite(value)) return;
    const best = this.values.get(metric);
    if (best === undefined || (largerIsBetter(metric) ? value > best : value < best))
      this.values.set(metric, value);
  }

  /** What an event of a log adds: the training loss of an epoch, the metrics of an evaluation on the test split. */
  addEvent(event: { readonly event: string; readonly [field: string]: unknown }): void {
    if (event.event === 'train.epoch') this.add('train.loss', event.loss);
    if (event.event !== 'eval' || event.split !== 'test') return;
    for (const name of ['loss', 'accuracy', 'mean_absolute_error']) this.add(`test.${name}`, event[name]);
  }

  /** Undefined where none was finite. */
  get(metric: string): number | undefined {
    return this.values.get(metric);
  }
}
