/**
 * Every loss under every setting in float64, by the references of its ops, against PyTorch
 * (`fixtures/losses/generate.py`).
 */
import '../support/quick.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Split } from '../../src/data/index.js';
import { differentiate } from '../../src/math/graph/differentiate.js';
import { interpret } from '../../src/math/graph/interpret.js';
import { Graph, type Node } from '../../src/math/graph/node.js';
import { type LossSettings, lossOf, targetSize } from '../../src/math/losses/index.js';
import type { LossOfPredictions } from '../../src/math/losses/loss.js';
import { addAll } from '../../src/math/ops/index.js';
import { balancedWeights } from '../../src/train/session.js';
import { packageRoot } from '../../src/util/root.js';

interface Case {
  readonly loss: LossSettings;
  readonly z: readonly (readonly number[])[];
  readonly y: readonly number[] | readonly (readonly number[])[];
  readonly mean: number;
  readonly gradient: readonly (readonly number[])[];
}

const cases: readonly Case[] = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/losses/losses.json'), 'utf8'),
);

/** As training does: the sum of the weighted losses of the rows, and its gradient by z. */
function computed({ loss: settings, z, y }: Case): { mean: number; gradient: Float64Array } {
  const loss = lossOf(settings) as LossOfPredictions;
  const [rows, outputs] = [z.length, z[0].length];
  const graph = new Graph();
  const width = loss.targetWidth(outputs);
  const repeats = outputs / targetSize(settings, outputs);
  const target = y.map(one =>
    typeof one === 'number' ? one : one.flatMap(value => Array(repeats).fill(value)),
  );
  const constants = loss.constants?.(outputs) ?? {};
  const nodes: Record<string, Node> = Object.fromEntries(
    Object.entries(constants).map(([name, { length }]) => [name, graph.input(name, [length])]),
  );
  const prediction = graph.input('z', [rows, outputs]);
  const result = loss.rows(prediction, graph.input('y', width === null ? [rows] : [rows, width]), nodes);
  const shares = target.map(one => {
    const label = typeof one === 'number' ? one : 0;
    return label === -100 ? 0 : loss.weight(outputs, label);
  });
  const total = shares.reduce((sum, share) => sum + share, 0);
  const weights = shares.map(share => (share > 0 ? 1 / total : 0));
  const [gradient] = differentiate([result], [graph.input('weight', [rows])], [prediction], addAll);
  const known = interpret([result, gradient as Node], {
    ...constants,
    z: z.flat(),
    y: target.flat(),
    weight: weights,
  });
  const losses = known.get(result)!.data;
  return {
    mean: losses.reduce((sum, one, i) => sum + (weights[i] === 0 ? 0 : one * weights[i]), 0),
    gradient: known.get(gradient as Node)!.data,
  };
}

for (const one of cases) {
  t.test(JSON.stringify(one.loss), async t => {
    const { mean, gradient } = computed(one);
    t.ok(Math.abs(mean - one.mean) <= 1e-12 * Math.max(1, one.mean), `${mean}, PyTorch has ${one.mean}`);
    const error = Math.max(...one.gradient.flat().map((expected, i) => Math.abs(gradient[i] - expected)));
    t.ok(error < 1e-12, `the gradient differs by ${error}`);
  });
}

t.test('balanced weights are those of compute_class_weight', async t => {
  const split = (values: number[], lengths?: number[]): Split => ({
    count: lengths?.length ?? values.length,
    targets: {
      kind: 'class',
      numClasses: 4,
      values: Int32Array.from(values),
      perStep: lengths !== undefined,
    },
    ...(lengths && { lengths: Int32Array.from(lengths) }),
    read: () => {},
  });
  // compute_class_weight('balanced', classes=[0, 1, 2], y=[0, 0, 0, 1, 2, 2])
  const expected = [2 / 3, 2, 1];
  t.same(balancedWeights(split([0, 0, 0, 1, 2, 2]), 4), [...expected, 1], 'an absent class weighs 1');
  t.same(balancedWeights(split([0, 0, -100, 0, 1, 2, -100, 2]), 3), expected, 'ignored labels do not count');
});
