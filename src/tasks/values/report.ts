/** What a report shows of an evaluation of values and forecasts. */
import { scoresOf, worstOf } from '../core/report.js';
import type { ValueEvaluation } from './facts.js';

export type ValueReport = ReturnType<typeof valueReport>;

const SCORES = ['mean_absolute_error', 'rmse', 'r2'] as const;

export function valueReport({ target_names: names, worst, sample, forecasts, per_output }: ValueEvaluation) {
  return {
    kind: 'value' as const,
    names,
    pairs: pairsOf(sample),
    worst: worstOf(worst),
    forecasts: forecasts ?? null,
    scores: scoresOf('target', SCORES, per_output, names),
  };
}

type Pair = readonly [target: number, prediction: number];

/** By target, without values that are not finite, which are spelled out. */
function pairsOf(sample: ValueEvaluation['sample']): readonly Pair[][] {
  const numbers = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);
  const targets = Math.max(0, ...sample.map(({ target }) => numbers(target).length));
  return Array.from({ length: targets }, (_, k) =>
    sample.flatMap(({ target, prediction }): Pair[] => {
      const [y, z] = [numbers(target)[k], numbers(prediction)[k]];
      return typeof y === 'number' && typeof z === 'number' ? [[y, z]] : [];
    }),
  );
}
