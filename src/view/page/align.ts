/** Aligns curves with different positions on one axis, as uPlot requires. */

/**
 * The positions of all lines, and the values of each line there: null breaks it, undefined is
 * skipped.
 */
export type Aligned = [places: number[], ...values: (number | null | undefined)[][]];

/** Values over ascending positions on the axis. */
export interface Line {
  readonly places: readonly number[];
  readonly values: readonly (number | null | undefined)[];
}

/** @param isLog whether values that are not above zero break the line */
export function align(lines: readonly Line[], isLog: boolean): Aligned {
  const places = [...new Set(lines.flatMap(line => line.places))].sort((a, b) => a - b);
  const index = new Map(places.map((place, i) => [place, i]));
  const columns = lines.map(line => {
    const column: (number | null | undefined)[] = new Array(places.length).fill(undefined);
    for (const [i, place] of line.places.entries()) {
      const value = line.values[i];
      column[index.get(place)!] = isLog && typeof value === 'number' && value <= 0 ? null : value;
    }
    return column;
  });
  return [places, ...columns];
}

/** The value at `place`, or the last one before it; undefined before the first. */
export function valueAt({ places, values }: Line, place: number): number | null | undefined {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (places[middle] <= place) low = middle + 1;
    else high = middle;
  }
  return values[low - 1];
}

/** The indices of values without a neighbour to draw a line to. */
export function isolated(values: ArrayLike<number | null | undefined>): number[] {
  // positions of values and gaps; skipped ones do not count
  const places: number[] = [];
  for (let i = 0; i < values.length; i++) if (values[i] !== undefined) places.push(i);
  const isValue = (place: number | undefined) => place !== undefined && values[place] !== null;
  return places.filter((place, i) => isValue(place) && !isValue(places[i - 1]) && !isValue(places[i + 1]));
}
