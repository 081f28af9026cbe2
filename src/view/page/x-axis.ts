/** The x axes of curves: steps, epochs or time. */
import type { Curve } from '../../run/curve.js';
import type { RunReport } from '../document.js';
import { formatNumber, formatSeconds, grouped } from './format.js';

export const X_AXES = ['step', 'epoch', 'time'] as const;
export type XAxis = (typeof X_AXES)[number];

/** The fields of a run that locate its steps. */
export type Places = Pick<RunReport, 'steps_per_epoch' | 'elapsed'>;

/** Whether the run supports the axis; epochs need one complete epoch, and the same steps in all. */
export function hasAxis({ steps_per_epoch, elapsed }: Places, axis: XAxis): boolean {
  switch (axis) {
    case 'step':
      return true;
    case 'epoch':
      return steps_per_epoch !== null;
    case 'time':
      return elapsed.steps.length > 1;
    default:
      return axis satisfies never;
  }
}

/**
 * Positions of ascending `steps` on the axis: steps, epochs done, or seconds since the run started.
 */
export function placesOf(steps: readonly number[], axis: XAxis, places: Places): readonly number[] {
  switch (axis) {
    case 'step':
      return steps;
    case 'epoch': {
      const each = places.steps_per_epoch ?? 1;
      return steps.map(step => step / each);
    }
    case 'time':
      return interpolated(steps, places.elapsed);
    default:
      return axis satisfies never;
  }
}

/** Linear between known steps; outside of them the nearest one. */
function interpolated(
  steps: readonly number[],
  { steps: known, values }: Pick<Curve, 'steps' | 'values'>,
): readonly number[] {
  let at = 0;
  return steps.map(step => {
    while (at < known.length - 1 && known[at + 1] < step) at += 1;
    const [low, high] = [values[at] ?? 0, values[at + 1] ?? values[at] ?? 0];
    const width = (known[at + 1] ?? known[at]) - known[at];
    const share = width > 0 ? Math.min(1, Math.max(0, (step - known[at]) / width)) : 0;
    return low + share * (high - low);
  });
}

/** The label on the axis, and with its unit: `step 8`. */
export function tickText(axis: XAxis, x: number): string {
  switch (axis) {
    case 'step':
      return grouped(Math.round(x));
    case 'epoch':
      return formatNumber(x);
    case 'time':
      return x !== 0 && Math.abs(x) < 9.95 ? `${formatNumber(x, 3)} s` : formatSeconds(x);
    default:
      return axis satisfies never;
  }
}

export function placeText(axis: XAxis, x: number): string {
  return axis === 'time' ? tickText(axis, x) : `${axis} ${tickText(axis, x)}`;
}

/** Distances between ticks, ascending. */
export function tickSteps(axis: XAxis): number[] {
  switch (axis) {
    case 'step':
      // no ticks between steps
      return powersFrom(0);
    case 'epoch':
      return powersFrom(-3);
    case 'time':
      return [...powersFrom(-3).filter(step => step <= 10), ...CLOCK];
    default:
      return axis satisfies never;
  }
}

/** 1, 2 and 5 times powers of ten. */
function powersFrom(first: number): number[] {
  const powers = Array.from({ length: 15 - first }, (_, i) => first + i);
  return powers.flatMap(power => [1, 2, 5].map(factor => Number(`${factor}e${power}`)));
}

/** Seconds: halves and wholes of minutes, hours and days. */
const CLOCK = [
  15,
  30,
  60,
  120,
  300,
  600,
  900,
  1800,
  3600,
  7200,
  10_800,
  21_600,
  43_200,
  ...[1, 2, 5, 10, 20, 50, 100].map(days => 86_400 * days),
];
