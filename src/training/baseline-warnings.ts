/** What a reader must know of a run that learned nothing, though it ended well. */
import { largerIsBetter } from '../config/metrics.js';
import { bestBaseline } from '../experiment/baseline-words.js';
import { metricSentence } from '../experiment/metric-words.js';
import type { Summary } from '../experiment/summary.js';

export interface Warning {
  readonly code: string;
  readonly message: string;
}

/** @param isConstant whether the final evaluation found one answer to every input */
export function baselineWarnings({ metrics, baselines }: Summary, isConstant: boolean): Warning[] {
  const found: Warning[] = [];
  if (isConstant) {
    const message = 'the model answers every test input alike: it has not learned to tell them apart';
    found.push({ code: 'run/constant-outputs', message });
  }
  const best = baselines && bestBaseline(metrics.test, baselines.test);
  if (best === undefined) return found;
  const { metric, value, name } = best;
  const reached = metrics.test[metric];
  const isBetter = largerIsBetter(`test.${metric}`) ? reached > value : reached < value;
  if (isBetter) return found;
  const message = `the model is no better than a trivial baseline: ${metricSentence('test', metric, reached)}, and ${metricSentence('', metric, value).trim()} without a look at the input (${name})`;
  return [...found, { code: 'run/no-better-than-trivial', message }];
}
