/** Sentences about results: metrics, baselines and cautions. */

import { largerIsBetter } from '../math/metrics/index.js';
import { isFraction, percent } from '../util/numbers.js';
import { gateSentence, hardestTrivial, missedIn, trivialValues } from './gates.js';
import type { GateResult, SplitMetrics, Summary } from './summary.js';

/** Note on a value that was measured on the split it was selected on. */
export const OPTIMISTIC = 'selected on the test split: this value is optimistic';

/** `test accuracy 97.12 %`, `test mean absolute error 0.2512`, `validation r2 0.9173`. */
export function metricSentence(split: string, metric: string, value: number): string {
  const shown = isFraction(metric) ? percent(value, 2) : value.toPrecision(4);
  return `${split} ${metric.replaceAll('_', ' ')} ${shown}`;
}

export function metricSentences(split: string, { loss, ...others }: SplitMetrics): string[] {
  const sentences = Object.entries(others).map(([metric, value]) => metricSentence(split, metric, value));
  return loss === undefined ? sentences : [metricSentence(split, 'loss', loss), ...sentences];
}

/** The main metric of a run: the first one besides the loss, or else the loss. */
export function mainMetric({ loss: _, ...others }: SplitMetrics): string {
  return Object.keys(others)[0] ?? 'loss';
}

/** `Prediction intervals: test coverage 78.20 %, test interval width 12.41.`; else empty. */
export function intervalsSentence({ metrics: { test } }: Pick<Summary, 'metrics'>): string {
  const sentences = (['coverage', 'interval_width'] as const).flatMap(name =>
    test[name] === undefined ? [] : [metricSentence('test', name, test[name])],
  );
  return sentences.length === 0 ? '' : `Prediction intervals: ${sentences.join(', ')}.`;
}

/**
 * `Trivial baselines: test accuracy 11.35 % (majority), 40.02 % (previous).`; empty if there are
 * none.
 */
export function baselinesSentence({ metrics, baselines }: Pick<Summary, 'metrics' | 'baselines'>): string {
  const metric = mainMetric(metrics.test);
  const values = trivialValues(`test.${metric}`, baselines);
  if (values.length === 0) return '';
  const sentences = values.map(({ name, value }, i) =>
    `${metricSentence(i === 0 ? 'test' : '', metric, value)} (${name})`.trim(),
  );
  return `Trivial baseline${values.length === 1 ? '' : 's'}: ${sentences.join(', ')}.`;
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
    ? ['the model makes the same prediction for every test input: it has not learned to distinguish them']
    : [];
  const metric = mainMetric(test);
  const best = hardestTrivial(`test.${metric}`, baselines);
  if (best === undefined || !(metric in test)) return found;
  const lead = test[metric] - best.value;
  if (largerIsBetter(`test.${metric}`) ? lead > 0 : lead < 0) return found;
  const reached = metricSentence('test', metric, test[metric]);
  const trivial = metricSentence('baseline', metric, best.value);
  const advice = Object.hasOwn(LEVELS, best.name)
    ? `; try \`dataset.relative_to: ${LEVELS[best.name]}\` if it is not set`
    : '';
  return [
    ...found,
    `the model is no better than a trivial baseline: ${reached}, ${trivial} (${best.name})${advice}`,
  ];
}

/** What to consider about a result besides its numbers, one sentence each. */
export function cautionsOf(summary: Summary): string[] {
  return [...selectionCautions(summary), ...baselineWarnings(summary), ...coverageCautions(summary)];
}

/** More than chance explains in all but the smallest splits. */
const COVERAGE_GAP = 0.1;

/** Intervals are calibrated on the validation split, and cover less if later errors are larger. */
function coverageCautions({ metrics: { test, validation }, baselines }: Summary): string[] {
  const [tested, calibrated] = [test?.coverage, validation?.coverage];
  if (tested === undefined || calibrated === undefined || tested > calibrated - COVERAGE_GAP) return [];
  const isForecast = baselines?.test.last_value !== undefined;
  const advice = isForecast
    ? '`intervals.adapt` follows a series whose errors change'
    : '`dataset.validation` should divide the data as the test split does, such as by the same `group`';
  return [
    `the intervals or sets contain ${percent(tested)} of the targets of the test split, but ${percent(calibrated)} of the validation split: the errors on it are smaller. ${advice}`,
  ];
}

export function selectionCautions({ selected_on_test = [] }: Summary): string[] {
  return selected_on_test.map(what => `${what} is ${OPTIMISTIC}`);
}

/** What a completed run fell short of, one sentence each: gates, and trivial baselines. */
export function failuresOf(summary: Summary): string[] {
  if (summary.status !== 'completed') return [];
  return [...missedIn(summary.gates).map(gateSentence), ...baselineWarnings(summary)];
}

/** The same in a few words, for lists of runs. */
export function shortfallsOf(summary: Summary): string[] {
  if (summary.status !== 'completed') return [];
  const untaught = summary.constant_outputs ? 'has not learned' : 'no better than trivial';
  return [
    ...gateWords(missedIn(summary.gates)),
    ...(baselineWarnings(summary).length === 0 ? [] : [untaught]),
  ];
}

/** `gate failed`; empty if all passed. */
export function gateWords(missed: readonly GateResult[]): string[] {
  const worst = missed.find(({ verdict }) => verdict === 'failed') ?? missed.at(0);
  return worst === undefined ? [] : [`gate ${worst.verdict}`];
}

/** `step 12 (best validation accuracy 97.12 %)`; empty if no checkpoint was restored. */
export function restoredWords({ restored, best }: Pick<Summary, 'restored' | 'best'>): string {
  if (!restored) return '';
  const [split, metric] = best?.metric.split('.') ?? [];
  const why = best ? ` (${metricSentence(`best ${split}`, metric, best.value)})` : '';
  return `step ${restored.step}${why}`;
}

/** How training ended early, or with restored weights; else null. */
export function endingOf({ stopped_early, restored, best }: Summary): string | null {
  const sentences = [
    ...(stopped_early ? [`training stopped early: ${stopped_early.metric} no longer improved`] : []),
    ...(restored ? [`the weights are those of ${restoredWords({ restored, best })}`] : []),
  ];
  return sentences.length > 0 ? sentences.join('; ') : null;
}
