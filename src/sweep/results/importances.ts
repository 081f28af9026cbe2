/** How much each parameter decided, by the finished trials of a sweep. */
import type { SweepPlan } from '../plan.js';
import { type Importance, importance } from '../search/importance.js';
import type { TrialRow } from './trials.js';

/** Of more, as many evenly among them: their shares are about the same, and found in no time that anyone waits. */
const MOST_TRIALS = 300;

/** Null where too few trials of the same number of epochs tell, or all are equal. */
export function importanceOf(plan: SweepPlan, rows: readonly TrialRow[]): readonly Importance[] | null {
  // values after different numbers of epochs are different measures: the number that most trials have seen
  const byEpochs = new Map<number, TrialRow[]>();
  for (const row of rows) {
    if (row.value === null) continue;
    const group = byEpochs.get(row.epochs);
    if (group === undefined) byEpochs.set(row.epochs, [row]);
    else group.push(row);
  }
  const [all = []] = [...byEpochs.values()].toSorted((a, b) => b.length - a.length);
  const every = Math.max(1, Math.ceil(all.length / MOST_TRIALS));
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
