/** Rules on gates that the schema cannot say. */
import type { Diagnostic } from '../errors.js';
import type { GateConfig, GateMetricName, LossConfig } from './experiment.js';
import type { Locator } from './locator.js';
import { lossFacts, reportableMetrics } from './losses.js';
import { isPerformance, rangeOf, TASK_METRICS } from './metrics.js';
import { nearest } from './suggest.js';
import type { Path } from './tree.js';
import { fromPercent } from './value-hints.js';

/** A metric that the schema knows but that is none of the task of this loss. */
export function checkMetric(
  loss: LossConfig,
  metric: GateMetricName,
  path: Path,
  locator: Locator,
): Diagnostic[] {
  const reported: readonly string[] = reportableMetrics(loss);
  if (reported.includes(metric)) return [];
  const message = `${metric} is not reported with loss ${loss.kind}`;
  const suggestion = nearest(metric, reported);
  const { task } = lossFacts(loss);
  const expected = `a metric of ${task}: ${['loss', ...TASK_METRICS[task]].join(' | ')}`;
  const more = { expected, ...(suggestion === undefined ? {} : { suggestion }) };
  return [locator.atValue(path, 'config/metric', message, more)];
}

/** @param loss absent where the config does not say validly what it is */
export function checkGate(
  loss: LossConfig | undefined,
  gate: GateConfig,
  path: Path,
  locator: Locator,
): Diagnostic[] {
  const isKnown = loss === undefined || isPerformance(gate.metric);
  const found = isKnown ? [] : checkMetric(loss, gate.metric, [...path, 'metric'], locator);
  found.push(...checkBounds(gate, path, locator), ...checkOver(gate, path, locator));
  if (gate.min !== undefined && gate.max !== undefined && gate.min > gate.max) {
    const message = `no value is at least ${gate.min} and at most ${gate.max}`;
    found.push(locator.atValue([...path, 'max'], 'config/gate', message));
  }
  return [...found, ...checkReach(gate, path, locator)];
}

/** Either `min`, `max` or both, or a baseline with one of what it allows. */
function checkBounds(gate: GateConfig, path: Path, locator: Locator): Diagnostic[] {
  const bounds = (['min', 'max'] as const).filter(key => gate[key] !== undefined);
  const allowances = (['max_drop', 'max_regress'] as const).filter(key => gate[key] !== undefined);
  const at = (key: string, message: string, expected?: string): Diagnostic[] => [
    locator.atKey([...path, key], 'config/gate', message, expected === undefined ? {} : { expected }),
  ];
  if (gate.baseline === undefined) {
    if (allowances.length > 0)
      return at(
        allowances[0],
        `\`${allowances[0]}\` needs a \`baseline\``,
        '`baseline`: a file that `review --pin` wrote',
      );
    if (bounds.length > 0) return [];
    const expected = '`min` or `max`, or `baseline` with `max_drop` or `max_regress`';
    return [locator.atKey(path, 'config/gate', 'a gate needs a bound', { expected })];
  }
  if (bounds.length > 0)
    return at(
      bounds[0],
      `\`${bounds[0]}\` and \`baseline\` exclude each other`,
      'two gates, where both are meant',
    );
  if (allowances.length === 1) return [];
  const message =
    allowances.length === 0
      ? 'a gate with a baseline says how much worse the metric may be'
      : '`max_drop` and `max_regress` exclude each other';
  return at(allowances[1] ?? 'baseline', message, '`max_drop`, in its own unit, or `max_regress`, a share');
}

/** What has one value has no best one, and a baseline has last values alone. */
function checkOver({ metric, over, baseline }: GateConfig, path: Path, locator: Locator): Diagnostic[] {
  if (over !== 'best' || (baseline === undefined && !isPerformance(metric))) return [];
  const message = isPerformance(metric)
    ? `${metric} is measured once, so that no value is the best`
    : 'a baseline has no best values to compare with';
  return [
    locator.atValue([...path, 'over'], 'config/gate', message, { expected: 'last | seeds', got: over }),
  ];
}

/** A smaller number is more likely to be a slip of another kind than a bound in per cent. */
const LEAST_PERCENTAGE = 20;

/** A bound outside the metric's range can never be met, such as an accuracy in per cent. */
function checkReach({ metric, min, max }: GateConfig, path: Path, locator: Locator): Diagnostic[] {
  const range = rangeOf(metric);
  if (min !== undefined && min > range.max) {
    const message = `${metric} is never above ${range.max}`;
    const expected = Number.isFinite(range.min)
      ? `from ${range.min} to ${range.max}`
      : `at most ${range.max}`;
    const more = { expected, got: String(min) };
    const isPercentage = min >= LEAST_PERCENTAGE && min <= 100;
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
