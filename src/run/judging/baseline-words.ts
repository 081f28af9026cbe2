/** Sentences about trivial baselines, and comparison of a run with them. */
import { largerIsBetter } from '../../config/rules/metrics.js';
import type { SplitBaselines, SplitMetrics, Summary } from '../summary.js';
import { metricSentence } from './metric-words.js';

export interface BaselineValue {
  readonly name: string;
  /** For example `accuracy`. */
  readonly metric: string;
  readonly value: number;
}

/**
 * The metric to judge a run by at first sight: the first one besides the loss, or else the loss.
 */
export function leadingMetric({ loss, ...others }: SplitMetrics): string | undefined {
  const [first] = Object.keys(others);
  return first ?? (loss === undefined ? undefined : 'loss');
}

/** The value of each baseline in the leading metric of `reached`. */
export function baselineValues(reached: SplitMetrics, baselines: SplitBaselines): BaselineValue[] {
  const metric = leadingMetric(reached);
  if (metric === undefined) return [];
  return Object.entries(baselines).flatMap(([name, values]) =>
    values[metric] === undefined ? [] : [{ name, metric, value: values[metric] }],
  );
}

/** The baseline that is hardest to beat; undefined if none has that metric. */
export function bestBaseline(reached: SplitMetrics, baselines: SplitBaselines): BaselineValue | undefined {
  return baselineValues(reached, baselines).reduce<BaselineValue | undefined>(
    (best, one) => (best === undefined || isBetter(one, best) ? one : best),
    undefined,
  );
}

/**
 * `Trivial baselines: test accuracy 11.35 % (majority), 40.02 % (previous).`; empty if there are
 * none.
 */
export function baselinesSentence(reached: SplitMetrics, baselines: SplitBaselines): string {
  const values = baselineValues(reached, baselines);
  if (values.length === 0) return '';
  const told = values.map(({ name, metric, value }, i) =>
    `${metricSentence(i === 0 ? 'test' : '', metric, value)} (${name})`.trim(),
  );
  return `Trivial baseline${values.length === 1 ? '' : 's'}: ${told.join(', ')}.`;
}

/** The value of `dataset.relative_to` with which a model starts from a naive forecast. */
const LEVELS: Readonly<Record<string, string>> = { last_value: 'last_value', seasonal_naive: 'season' };

/** Warnings about a completed run that learned nothing. */
export function baselineWarnings({
  status,
  metrics: { test },
  baselines,
  constant_outputs,
}: Pick<Summary, 'status' | 'metrics' | 'baselines' | 'constant_outputs'>): string[] {
  if (status !== 'completed') return [];
  const found = constant_outputs
    ? ['the model gives the same answer for every test input: it has not learned to distinguish them']
    : [];
  const best = baselines && bestBaseline(test, baselines.test);
  if (best === undefined || isBetter({ ...best, value: test[best.metric] }, best)) return found;
  const { metric, value, name } = best;
  const reached = metricSentence('test', metric, test[metric]);
  const trivial = metricSentence('baseline', metric, value);
  const advice = Object.hasOwn(LEVELS, name)
    ? `; try \`dataset.relative_to: ${LEVELS[name]}\` if it is not set`
    : '';
  return [
    ...found,
    `the model is no better than a trivial baseline: ${reached}, ${trivial} (${name})${advice}`,
  ];
}

function isBetter(one: BaselineValue, other: BaselineValue): boolean {
  return largerIsBetter(`test.${one.metric}`) ? one.value > other.value : one.value < other.value;
}
