/** What limits the trust in the best trial's value. */
import { OPTIMISTIC } from '../../config/rules/splits.js';
import type { SweepPlan } from '../plan.js';
import type { TrialRow } from './trials.js';

/** The subject of the sentences about it. */
const BEST_TRIAL = 'the best trial';

/** What the sweep selects by the test split: the best of several trials, or nothing. */
export function selectedOnTest(
  { objective }: Pick<SweepPlan, 'objective'>,
  rows: readonly TrialRow[],
): string[] {
  const measured = rows.filter(({ value }) => value !== null);
  return objective.metric.startsWith('test.') && measured.length > 1 ? [BEST_TRIAL] : [];
}

/** The same as sentences. */
export function sweepCautions(plan: Pick<SweepPlan, 'objective'>, rows: readonly TrialRow[]): string[] {
  return selectedOnTest(plan, rows).map(what => `${what} is ${OPTIMISTIC}`);
}
