/** The loss of a constant prediction, in float64. */
import { eachChunk, IGNORED, type Targets, type Values } from '../data/index.js';
import { interpret } from '../math/graph/interpret.js';
import { Graph } from '../math/graph/node.js';
import { type LossSettings, lossOf } from '../math/losses/index.js';

/** Maximum elements of a tensor: rows are computed in chunks. */
const MAX_NUMBERS = 2 ** 20;

/**
 * The mean loss over the predictions of a split that count; NaN if none does.
 * @param outputs `[C]`, predicted for every input
 */
export function meanLoss(settings: LossSettings, outputs: Float32Array, targets: Targets): number {
  return targets.kind === 'class'
    ? meanOfClasses(settings, outputs, targets.values)
    : meanOfValues(settings, outputs, targets);
}

/** The loss depends only on the class, so it is computed once per class. */
function meanOfClasses(settings: LossSettings, outputs: Float32Array, labels: Values<Int32Array>): number {
  const { share } = lossOf(settings);
  const counts = new Map<number, number>();
  eachChunk(labels, 1, chunk => {
    for (const label of chunk) if (label !== IGNORED) counts.set(label, (counts.get(label) ?? 0) + 1);
  });
  const classes = [...counts.keys()];
  const rows = lossRows(settings, outputs, Float64Array.from(classes), null);
  let [sum, shares] = [0, 0];
  classes.forEach((label, i) => {
    const count = counts.get(label) ?? 0;
    sum += count * rows[i];
    shares += count * share(outputs.length, label);
  });
  return sum / shares;
}

function meanOfValues(
  settings: LossSettings,
  outputs: Float32Array,
  { values: all, size }: Extract<Targets, { kind: 'value' }>,
): number {
  // ignored targets are NaN in every element
  const values = all.filter(value => !Number.isNaN(value));
  const { share, targetWidth } = lossOf(settings);
  const width = targetWidth(outputs.length) ?? 1;
  const count = values.length / size;
  const repeated = width / size;
  // repeat the numbers of a target if the graph takes more per target
  const targets = Float64Array.from(
    { length: count * width },
    (_, i) => values[Math.floor(i / width) * size + Math.floor((i % width) / repeated)],
  );
  const rows = lossRows(settings, outputs, targets, width);
  return rows.reduce((sum, row) => sum + row, 0) / (count * share(outputs.length, 0));
}

/**
 * Losses, one per target.
 * @param width numbers per target; null for classes
 */
function lossRows(
  settings: LossSettings,
  outputs: Float32Array,
  targets: Float64Array,
  width: number | null,
): number[] {
  const loss = lossOf(settings);
  const constants = loss.constants?.(outputs.length) ?? {};
  const size = outputs.length;
  const count = targets.length / (width ?? 1);
  const most = Math.max(1, Math.floor(MAX_NUMBERS / size));
  const rows: number[] = [];
  for (let from = 0; from < count; from += most) {
    const length = Math.min(most, count - from);
    const graph = new Graph();
    const given = Object.fromEntries(
      Object.entries(constants).map(([name, values]) => [name, graph.input(name, [values.length])]),
    );
    const result = loss.rows(
      graph.input('outputs', [length, size]),
      graph.input('targets', width === null ? [length] : [length, width]),
      given,
    );
    const tensors = interpret([result], {
      ...constants,
      outputs: Float64Array.from({ length: length * size }, (_, i) => outputs[i % size]),
      targets: targets.subarray(from * (width ?? 1), (from + length) * (width ?? 1)),
    });
    for (const row of tensors.get(result)?.data ?? []) rows.push(row);
  }
  return rows;
}
