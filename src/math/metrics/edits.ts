/** Edits that turn a target into a prediction (Levenshtein, 1966). */

type Symbols = ArrayLike<number>;

/** A position of an alignment: `target` is null for an insertion, `predicted` for a deletion. */
export interface AlignedPair {
  readonly target: number | null;
  readonly predicted: number | null;
}

export function isEdit({ target, predicted }: AlignedPair): boolean {
  return target !== predicted;
}

/** The number of insertions, deletions and substitutions that turn `target` into `predicted`. */
export function editDistance(target: Symbols, predicted: Symbols): number {
  // the distances of the target's beginning from all beginnings of the prediction
  let row = Uint32Array.from({ length: predicted.length + 1 }, (_, j) => j);
  let above = new Uint32Array(row.length);
  for (let i = 0; i < target.length; i++) {
    [row, above] = [above, row];
    fillRow(row, above, target[i], predicted);
  }
  return row[predicted.length];
}

function fillRow(row: Uint32Array, above: Uint32Array, symbol: number, predicted: Symbols): void {
  row[0] = above[0] + 1;
  for (let j = 0; j < predicted.length; j++)
    row[j + 1] = Math.min(above[j] + (symbol === predicted[j] ? 0 : 1), above[j + 1] + 1, row[j] + 1);
}

/** An alignment with the fewest edits; of equal ones, that with pairs nearest to the end. */
export function alignment(target: Symbols, predicted: Symbols): AlignedPair[] {
  const width = predicted.length + 1;
  const distances = new Uint32Array((target.length + 1) * width);
  const rowOf = (i: number) => distances.subarray(i * width, (i + 1) * width);
  for (let j = 0; j < width; j++) distances[j] = j;
  for (let i = 0; i < target.length; i++) fillRow(rowOf(i + 1), rowOf(i), target[i], predicted);
  const pairs: AlignedPair[] = [];
  let [i, j] = [target.length, predicted.length];
  while (i > 0 || j > 0) {
    const distance = rowOf(i)[j];
    const isPair =
      i > 0 && j > 0 && distance === rowOf(i - 1)[j - 1] + (target[i - 1] === predicted[j - 1] ? 0 : 1);
    const isDeletion = !isPair && i > 0 && distance === rowOf(i - 1)[j] + 1;
    pairs.push({
      target: isPair || isDeletion ? target[--i] : null,
      predicted: isDeletion ? null : predicted[--j],
    });
  }
  return pairs.reverse();
}
