/** Rules about gates and other metrics that the schema cannot express. */
import { taskOf } from '../math/losses/index.js';
import { isPerformance, metricsOfTask, rangeOf } from '../math/metrics/index.js';
import type { Diagnostic } from '../util/errors.js';
import { nearest } from '../util/nearest.js';
import type { DatasetConfig, GateConfig, GateMetricName, LossConfig } from './experiment.js';
import { hasValidation, possibleMetrics, selectingMetrics } from './splits.js';
import { fromPercent } from './suggest.js';
import type { Locator } from './yaml/locator.js';
import type { Path } from './yaml/tree.js';

/** Sections that determine which metrics a run measures; absent if they are not valid. */
export interface Measuring {
  readonly loss?: LossConfig | undefined;
  readonly dataset?: DatasetConfig | undefined;
}

/** Checks that a run can measure a metric. @param choices by default all that a run can measure */
export function* checkMetric(
  { loss, dataset }: Measuring,
  metric: GateMetricName,
  path: Path,
  locator: Locator,
  choices = possibleMetrics,
): Iterable<Diagnostic> {
  if (loss === undefined) return;
  const measured: readonly string[] = choices(loss, dataset);
  const metrics: readonly string[] = ['loss', ...metricsOfTask(taskOf(loss))];
  const [split] = metric.split('.');
  const isOfTask = metrics.includes(metric.slice(split.length + 1));
  // what is wrong with an invalid dataset is reported elsewhere
  if (measured.includes(metric) || (isOfTask && dataset === undefined && split === 'validation')) return;
  const other = metric.replace(/^test\./, 'validation.');
  const suggestion = measured.includes(other) ? other : nearest(metric, measured);
  const why = !isOfTask
    ? `with loss ${loss.kind}`
    : split === 'validation' && !hasValidation(dataset)
      ? 'without a validation split'
      : split === 'test'
        ? 'during training: with a validation split, nothing is selected by the test split'
        : 'in training';
  const expected = isOfTask ? measured.join(' | ') : metrics.join(' | ');
  const more = { expected, ...(suggestion !== undefined && { suggestion }) };
  yield locator.atValue(path, 'config/metric', `${metric} is not measured ${why}`, more);
}

export function checkSelectingMetric(
  measuring: Measuring,
  metric: GateMetricName,
  path: Path,
  locator: Locator,
): Iterable<Diagnostic> {
  return checkMetric(measuring, metric, path, locator, selectingMetrics);
}

/** A gate has the keys of one form. */
const FORMS = [
  ['min', 'max'] as const,
  ['baseline', 'max_drop', 'max_regress'] as const,
  ['beats', 'by'] as const,
];
const FORM =
  '`min`, `max` or both; or `baseline` with one of `max_drop` and `max_regress`; or `beats`, perhaps with `by`';

/** A smaller number is probably not a percentage but another mistake. */
const MIN_PERCENTAGE = 20;

export function* checkGate(
  measuring: Measuring,
  gate: GateConfig,
  path: Path,
  locator: Locator,
): Iterable<Diagnostic> {
  const { metric, over, min, max, baseline, beats } = gate;
  const isMeasuredOnce = isPerformance(metric);
  if (!isMeasuredOnce) {
    const check = over === 'best' ? checkSelectingMetric : checkMetric;
    yield* check(measuring, metric, [...path, 'metric'], locator);
  }
  const [form, other] = FORMS.map(keys => keys.filter(key => gate[key] !== undefined)).filter(
    keys => keys.length > 0,
  );
  const [first] = form ?? [];
  const isWhole =
    first === 'baseline' ? form.length === 2 : first === 'min' || first === 'max' || first === 'beats';
  if (other || !isWhole) {
    const key = other?.[0] ?? form?.at(-1);
    const message = form ? 'these keys of a gate do not belong together' : 'a gate needs a bound';
    yield locator.atKey(key ? [...path, key] : path, 'config/gate', message, { expected: FORM });
  }
  if (beats !== undefined && !/^(?:validation|test)\./.test(metric)) {
    const expected = 'a metric of validation or test';
    yield locator.atKey([...path, 'beats'], 'config/gate', `trivial baselines do not have ${metric}`, {
      expected,
    });
  }
  if (over === 'best' && (baseline !== undefined || isMeasuredOnce)) {
    const what = isMeasuredOnce ? metric : 'a baseline';
    const more = { expected: 'last | seeds', got: over };
    yield locator.atValue([...path, 'over'], 'config/gate', `${what} has no best value`, more);
  }
  if (min !== undefined && max !== undefined && min > max)
    yield locator.atValue([...path, 'max'], 'config/gate', `max (${max}) is less than min (${min})`);
  // a bound outside the metric's range is a mistake, such as an accuracy in percent
  const range = rangeOf(metric);
  const expected = `from ${range.min} to ${range.max}`;
  if (min !== undefined && min > range.max) {
    const isPercentage = min >= MIN_PERCENTAGE && min <= 100;
    const more = {
      expected,
      got: String(min),
      ...(isPercentage && { suggestion: String(fromPercent(min)) }),
    };
    yield locator.atValue([...path, 'min'], 'config/gate', `${metric} is never above ${range.max}`, more);
  }
  if (max !== undefined && max < range.min) {
    const more = { expected, got: String(max) };
    yield locator.atValue([...path, 'max'], 'config/gate', `${metric} is never below ${range.min}`, more);
  }
}
