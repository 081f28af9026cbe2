/** Rules about gates and other metrics that the schema cannot express. */
import { taskOf } from '../math/losses/index.js';
import { isPerformance, metricsOfTask, rangeOf } from '../math/metrics/index.js';
import type { Diagnostic } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import type { GateConfig, GateMetricName, PartialExperiment } from './experiment.js';
import { hasValidation, possibleMetrics, selectingMetrics } from './metrics.js';
import { fromPercent } from './suggest.js';
import type { Locator, Path } from './yaml/tree.js';

/** Checks that a metric is one of `choices`, by default those that a run can select by. */
export function* checkMetric(
  { loss, dataset }: PartialExperiment,
  metric: GateMetricName,
  path: Path,
  locator: Locator,
  choices = selectingMetrics,
): Iterable<Diagnostic> {
  if (loss === undefined) return;
  const measured: readonly string[] = choices(loss, dataset);
  const metrics: readonly string[] = ['loss', ...metricsOfTask(taskOf(loss))];
  const [split] = metric.split('.');
  const isOfTask = metrics.includes(metric.slice(split.length + 1));
  // what is wrong with an invalid dataset is reported elsewhere
  if (measured.includes(metric) || (isOfTask && dataset === undefined && split === 'validation')) return;
  const other = metric.replace(/^test\./, 'validation.');
  const why = !isOfTask
    ? `with loss ${loss.kind}`
    : split === 'validation' && !hasValidation(dataset)
      ? 'without a validation split'
      : split === 'test'
        ? 'during training: with a validation split, nothing is selected by the test split'
        : 'in training';
  yield locator.atValue(path, 'config/metric', `${metric} is not measured ${why}`, {
    expected: (isOfTask ? measured : metrics).join(' | '),
    suggestion: measured.includes(other) ? other : nearest(metric, measured),
  });
}

const BOUNDS = ['min', 'max', 'baseline', 'max_drop', 'max_regress', 'beats', 'by'] as const;
const FORMS = /^(min|max|min,max|baseline,max_drop|baseline,max_regress|beats|beats,by)$/;
const FORM =
  '`min`, `max` or both; or `baseline` with one of `max_drop` and `max_regress`; or `beats`, perhaps with `by`';

/** A smaller number is probably not a percentage but another mistake. */
const MIN_PERCENTAGE = 20;

export function* checkGate(
  config: PartialExperiment,
  gate: GateConfig,
  path: Path,
  locator: Locator,
): Iterable<Diagnostic> {
  const { metric, over, min, max, baseline, beats } = gate;
  const isMeasuredOnce = isPerformance(metric);
  const choices = over === 'best' ? selectingMetrics : possibleMetrics;
  if (!isMeasuredOnce) yield* checkMetric(config, metric, [...path, 'metric'], locator, choices);
  const given = BOUNDS.filter(key => gate[key] !== undefined);
  if (!FORMS.test(given.join())) {
    const message = given.length > 0 ? 'these keys of a gate do not belong together' : 'a gate needs a bound';
    yield locator.atKey([...path, ...given.slice(-1)], 'config/gate', message, { expected: FORM });
  }
  if (beats !== undefined && !/^(?:validation|test)\./.test(metric)) {
    const message = `trivial baselines do not have ${metric}`;
    const expected = 'a metric of validation or test';
    yield locator.atKey([...path, 'beats'], 'config/gate', message, { expected });
  }
  if (over === 'best' && (baseline !== undefined || isMeasuredOnce)) {
    const message = `${isMeasuredOnce ? metric : 'a baseline'} has no best value`;
    yield locator.atValue([...path, 'over'], 'config/gate', message, { expected: 'last | seeds', got: over });
  }
  if (min !== undefined && max !== undefined && min > max)
    yield locator.atValue([...path, 'max'], 'config/gate', `max (${max}) is less than min (${min})`);
  // a bound outside the metric's range is a mistake, such as an accuracy in percent
  const range = rangeOf(metric);
  const expected = `from ${range.min} to ${range.max}`;
  if (min !== undefined && min > range.max) {
    const isPercentage = min >= MIN_PERCENTAGE && min <= 100;
    const suggestion = isPercentage ? String(fromPercent(min)) : undefined;
    const more = { expected, got: String(min), suggestion };
    yield locator.atValue([...path, 'min'], 'config/gate', `${metric} is never above ${range.max}`, more);
  }
  if (max !== undefined && max < range.min) {
    const more = { expected, got: String(max) };
    yield locator.atValue([...path, 'max'], 'config/gate', `${metric} is never below ${range.min}`, more);
  }
}
