/** Learning curves of sides: means over their seeds. */

import { momentsOf } from '../../run/baseline.js';
import type { Curve } from '../../run/curve.js';
import type { RunHistory } from '../../run/history.js';

export interface SideCurve {
  readonly side: string;
  /** In ascending order of `x`. */
  readonly points: readonly CurvePoint[];
}

interface CurvePoint {
  readonly x: number;
  /** Mean over the runs with a finite value at `x`. */
  readonly y: number;
  readonly runs: number;
}

export interface ComparedCurves {
  /** `epoch` if the number of steps per epoch differs between runs, else `step`. */
  readonly axis: 'step' | 'epoch';
  readonly sides: readonly SideCurve[];
}

export interface SideHistories {
  readonly side: string;
  readonly histories: readonly RunHistory[];
}

/** The sorted names of all curves of these runs. */
export function curveNames(sides: readonly SideHistories[]): string[] {
  return [
    ...new Set(sides.flatMap(({ histories }) => histories.flatMap(({ curves }) => Object.keys(curves)))),
  ].sort();
}

/** The curve `name` of each side that has it. */
export function compareCurves(sides: readonly SideHistories[], name: string): ComparedCurves {
  const lengths = new Set(sides.flatMap(({ histories }) => histories.map(stepsPerEpoch)));
  const byEpoch = lengths.size > 1 && !lengths.has(undefined);
  const curves = sides.map(({ side, histories }) => {
    const scaled = histories.flatMap(history => {
      const curve = history.curves[name];
      return curve === undefined ? [] : [inUnits(curve, byEpoch ? (stepsPerEpoch(history) ?? 1) : 1)];
    });
    return { side, points: meanCurve(scaled) };
  });
  return {
    axis: byEpoch ? 'epoch' : 'step',
    sides: curves.filter(({ points }) => points.length > 0),
  };
}

function stepsPerEpoch({ epochs }: RunHistory): number | undefined {
  const [first] = epochs;
  return first === undefined ? undefined : first.step / first.epoch;
}

interface Line {
  readonly xs: readonly number[];
  readonly ys: readonly (number | null)[];
}

function inUnits({ steps, values }: Curve, unit: number): Line {
  return { xs: steps.map(step => step / unit), ys: values };
}

/**
 * The mean of the lines at every x where any of them was measured. Each line is interpolated
 * linearly.
 */
function meanCurve(lines: readonly Line[]): CurvePoint[] {
  const places = [...new Set(lines.flatMap(({ xs }) => xs))].sort((a, b) => a - b);
  const readers = lines.map(line => lineReader(line));
  return places.flatMap(x => {
    const values = readers.flatMap(read => read(x) ?? []);
    return values.length === 0 ? [] : [{ x, y: momentsOf(values).mean, runs: values.length }];
  });
}

/**
 * Returns a function that interpolates a line at ascending x. It returns null before the start,
 * after the end, and next to values that are not finite.
 */
function lineReader({ xs, ys }: Line): (x: number) => number | null {
  let at = 0;
  return x => {
    while (at + 1 < xs.length && xs[at + 1] <= x) at += 1;
    if (at >= xs.length || x < xs[at]) return null;
    const here = ys[at];
    if (x === xs[at] || here === null) return here;
    const next = at + 1 < ys.length ? ys[at + 1] : null;
    return next === null ? null : here + ((next - here) * (x - xs[at])) / (xs[at + 1] - xs[at]);
  };
}
