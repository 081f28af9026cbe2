/**
 * Words for trials without a value: what is not in a picture's axis is said, and drawn where that
 * is written.
 */
import type { TrialReport } from '../document.js';
import type { SweepAxis } from './brushes.js';
import { counted } from './format.js';

/** Written at the place where such trials are drawn. */
export const NO_VALUE = 'no value';

/** To go on after `5 trials`: `, 2 of them without test.loss`; nothing where there are none. */
export function ofThemWithout(without: readonly TrialReport[], name: string): string {
  return without.length === 0 ? '' : `, ${without.length} of them without ${name}`;
}

/** Which trials are drawn to no value, and on which axes. */
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
