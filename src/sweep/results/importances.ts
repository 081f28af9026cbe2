/** How much each parameter decided, by the finished trials of a sweep. */
import type { SweepPlan } from '../plan.js';
import { type Importance, importance } from '../search/importance.js';
import type { TrialRow } from './trials.js';

/**
 * Of more, as many evenly among them: their shares are about the same, and found in no time that
 * anyone waits.
 */
const MAX_TRIALS = 300;

/**
 * With fewer trials the shares are those of chance: which values the few trials happened to have
 * decides more than any parameter.
 */
const MIN_TRIALS = 20;
const MIN_TRIALS_PER_PARAMETER = 10;

/**
 * Null if fewer than 20 trials, or than 10 for each parameter, have a value after the same number
 * of epochs, or if all values are equal.
 */
export function importanceOf(plan: SweepPlan, rows: readonly TrialRow[]): readonly Importance[] | null {
  // values after different numbers of epochs are different measures: the number that most trials
  // have seen
  const byEpochs = new Map<number, TrialRow[]>();
  for (const row of rows) {
    if (row.value === null) continue;
    const group = byEpochs.get(row.rung);
    if (group === undefined) byEpochs.set(row.rung, [row]);
    else group.push(row);
  }
  const [all = []] = [...byEpochs.values()].toSorted((a, b) => b.length - a.length);
  const needed = Math.max(MIN_TRIALS, MIN_TRIALS_PER_PARAMETER * plan.space.parameters.length);
  if (all.length < needed) return null;
  const every = Math.max(1, Math.ceil(all.length / MAX_TRIALS));
  const compared = all.filter((_, i) => i % every === 0);
  const sign = plan.objective.goal === 'maximize' ? -1 : 1;
  const shares = importance(
    plan.space,
    compared.map(({ trial, point, epochs, value }) => ({
      trial,
      point,
      epochs,
      state: 'complete' as const,
      value: value === null ? null : sign * value,
    })),
  );
  return shares.length === 0 ? null : shares;
}
