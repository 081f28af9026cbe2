/** Curves of different steps on one axis, as uPlot wants them. */
import type { Curve } from '../../review/curve.js';

/** The steps of all curves, and for each curve its values there: null breaks the line, undefined is passed over. */
export type Aligned = [steps: number[], ...values: (number | null | undefined)[][]];

/** @param isLog what is not above zero has no place on a logarithmic axis, and breaks the line */
export function align(curves: readonly Curve[], isLog: boolean): Aligned {
  const steps = [...new Set(curves.flatMap(curve => curve.steps))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, i) => [step, i]));
  const columns = curves.map(curve => {
    const column: (number | null | undefined)[] = new Array(steps.length).fill(undefined);
    for (const [i, step] of curve.steps.entries()) {
      const value = curve.values[i];
      column[place.get(step)!] = isLog && value !== null && value <= 0 ? null : value;
    }
    return column;
  });
  return [steps, ...columns];
}

/** The value of `curve` at `step`, or the newest one before it; undefined before the first. */
export function valueAt({ steps, values }: Curve, step: number): number | null | undefined {
  let [low, high] = [0, steps.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] <= step) low = middle + 1;
    else high = middle;
  }
  return values[low - 1];
}

/** Where a value has no neighbour that a line could lead to. */
export function isolated(values: ArrayLike<number | null | undefined>): number[] {
  // places of values and of gaps; what is passed over is none
  const places: number[] = [];
  for (let i = 0; i < values.length; i++) if (values[i] !== undefined) places.push(i);
  const isValue = (place: number | undefined) => place !== undefined && values[place] !== null;
  return places.filter((place, i) => isValue(place) && !isValue(places[i - 1]) && !isValue(places[i + 1]));
}
