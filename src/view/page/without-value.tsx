/** Texts about trials without a value, which charts draw off the axis. */
import type { TrialReport } from '../document.js';
import type { SweepAxis } from './brushes.js';
import { counted } from './format.js';

/** The label of the position at which such trials are drawn. */
export const NO_VALUE = 'no value';

/** Continues `5 trials`: `, 2 of them without test.loss`; empty if there are none. */
export function ofThemWithout(without: readonly TrialReport[], name: string): string {
  return without.length === 0 ? '' : `, ${without.length} of them without ${name}`;
}

/** The trials without a value, and the axes that lack it. */
export function GapsNote({ axes }: { readonly axes: readonly SweepAxis[] }) {
  const parts = axes
    .filter(({ without }) => without.length > 0)
    .map(({ name, without }) => `${counted(without.length, 'trial')} without ${name} (${statesOf(without)})`);
  if (parts.length === 0) return null;
  return (
    <p class="note" data-note="no-value">
      Drawn to “{NO_VALUE}” below the axis: {parts.join('; ')}.
    </p>
  );
}

/** `2 diverged, 1 running`. */
function statesOf(trials: readonly TrialReport[]): string {
  return [...new Set(trials.map(({ state }) => state))]
    .map(state => `${trials.filter(trial => trial.state === state).length} ${state}`)
    .join(', ');
}
