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

/**
 * Checks that a run of this config can measure a metric.
 * @param choices the allowed metrics; by default all that a run can measure
 */
export function checkMetric(
  { loss, dataset }: Measuring,
  metric: GateMetricName,
  path: Path,
  locator: Locator,
  choices = possibleMetrics,
): Diagnostic[] {
  if (loss === undefined) return [];
  const measured: readonly string[] = choices(loss, dataset);
  if (measured.includes(metric)) return [];
  const other = metric.replace(/^test\./, 'validation.');
  const suggestion = measured.includes(other) ? other : nearest(metric, measured);
  const task = taskOf(loss);
  const metrics = ['loss', ...metricsOfTask(task)];
  const more = suggestion === undefined ? {} : { suggestion };
  const report = (message: string, expected: string) => [
    locator.atValue(path, 'config/metric', message, { expected, ...more }),
  ];
  if (!metrics.includes(metric.slice(metric.indexOf('.') + 1)))
    return report(
      `${metric} is not measured with loss ${loss.kind}`,
      `a metric of ${task}: ${metrics.join(' | ')}`,
    );
  // what is wrong with an invalid dataset is reported elsewhere
  if (dataset === undefined && metric.startsWith('validation.')) return [];
  if (metric.startsWith('validation.') && !hasValidation(dataset))
    return report(`${metric} needs a validation split`, 'dataset.validation, such as { fraction: 0.1 }');
  if (metric.startsWith('test.') && hasValidation(dataset))
    return report(
      `${metric} is only measured at the end: with a validation split, nothing is selected by the test split`,
      'a metric of the validation split',
    );
  return report(`${metric} is not measured in training`, 'loss, accuracy, or a mean over predictions');
}

/** Checks that a run of this config can select by a metric. */
export function checkSelectingMetric(
  measuring: Measuring,
  metric: GateMetricName,
  path: Path,
  locator: Locator,
): Diagnostic[] {
  return checkMetric(measuring, metric, path, locator, selectingMetrics);
}

export function checkGate(
  measuring: Measuring,
  gate: GateConfig,
  path: Path,
  locator: Locator,
): Diagnostic[] {
  const metricAt = [...path, 'metric'];
  const check = gate.over === 'best' ? checkSelectingMetric : checkMetric;
  const found = isPerformance(gate.metric) ? [] : check(measuring, gate.metric, metricAt, locator);
  found.push(...checkBounds(gate, path, locator), ...checkOver(gate, path, locator));
  if (gate.min !== undefined && gate.max !== undefined && gate.min > gate.max) {
    const message = `max (${gate.max}) is less than min (${gate.min})`;
    found.push(locator.atValue([...path, 'max'], 'config/gate', message));
  }
  return [...found, ...checkReach(gate, path, locator)];
}

/**
 * A gate needs `min`, `max` or both; or `baseline` with `max_drop` or `max_regress`; or `beats`.
 */
function checkBounds(gate: GateConfig, path: Path, locator: Locator): Diagnostic[] {
  const bounds = (['min', 'max'] as const).filter(key => gate[key] !== undefined);
  const allowances = (['max_drop', 'max_regress'] as const).filter(key => gate[key] !== undefined);
  const others = (['baseline', 'min', 'max', 'max_drop', 'max_regress'] as const).filter(
    key => gate[key] !== undefined,
  );
  const at = (key: string, message: string, expected?: string): Diagnostic[] => [
    locator.atKey([...path, key], 'config/gate', message, expected === undefined ? {} : { expected }),
  ];
  if (gate.beats !== undefined) {
    const isEvaluated = /^(?:validation|test)\./.test(gate.metric);
    if (others.length > 0) return at(others[0], `\`${others[0]}\` and \`beats\` cannot be combined`);
    return isEvaluated
      ? []
      : at('beats', `trivial baselines do not have ${gate.metric}`, 'a metric of validation or test');
  }
  if (gate.by !== undefined) return at('by', '`by` needs `beats`', '`beats: trivial`');
  if (gate.baseline === undefined) {
    if (allowances.length > 0)
      return at(
        allowances[0],
        `\`${allowances[0]}\` needs a \`baseline\``,
        '`baseline`: a file that `review --pin` wrote',
      );
    if (bounds.length > 0) return [];
    const expected = '`min` or `max`, `baseline` with `max_drop` or `max_regress`, or `beats`';
    return [locator.atKey(path, 'config/gate', 'a gate needs a bound', { expected })];
  }
  if (bounds.length > 0)
    return at(bounds[0], `\`${bounds[0]}\` and \`baseline\` cannot be combined`, 'two separate gates');
  if (allowances.length === 1) return [];
  const message =
    allowances.length === 0
      ? '`baseline` needs `max_drop` or `max_regress`'
      : '`max_drop` and `max_regress` cannot be combined';
  return at(
    allowances[1] ?? 'baseline',
    message,
    '`max_drop`, in the unit of the metric, or `max_regress`, a fraction',
  );
}

/** Performance is measured only once, and a baseline has only last values. */
function checkOver({ metric, over, baseline }: GateConfig, path: Path, locator: Locator): Diagnostic[] {
  if (over !== 'best' || (baseline === undefined && !isPerformance(metric))) return [];
  const message = isPerformance(metric)
    ? `${metric} is measured once, so it has no best value`
    : 'a baseline has no best values to compare with';
  return [
    locator.atValue([...path, 'over'], 'config/gate', message, { expected: 'last | seeds', got: over }),
  ];
}

/** A smaller number is probably not a percentage but another mistake. */
const MIN_PERCENTAGE = 20;

/** A bound outside the metric's range is a mistake, such as an accuracy in percent. */
function checkReach({ metric, min, max }: GateConfig, path: Path, locator: Locator): Diagnostic[] {
  const range = rangeOf(metric);
  if (min !== undefined && min > range.max) {
    const message = `${metric} is never above ${range.max}`;
    const expected = Number.isFinite(range.min)
      ? `from ${range.min} to ${range.max}`
      : `at most ${range.max}`;
    const more = { expected, got: String(min) };
    const isPercentage = min >= MIN_PERCENTAGE && min <= 100;
    const suggestion = isPercentage ? { suggestion: String(fromPercent(min)) } : {};
    return [locator.atValue([...path, 'min'], 'config/gate', message, { ...more, ...suggestion })];
  }
  if (max !== undefined && max < range.min) {
    const message = `${metric} is never below ${range.min}`;
    const expected = Number.isFinite(range.max)
      ? `from ${range.min} to ${range.max}`
      : `at least ${range.min}`;
    return [locator.atValue([...path, 'max'], 'config/gate', message, { expected, got: String(max) })];
  }
  return [];
}
