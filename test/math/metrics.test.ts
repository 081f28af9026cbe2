/**
 * Metrics against scikit-learn (`fixtures/metrics/generate.py`).
 */
import '../support/quick.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { alignment, isEdit } from '../../src/math/metrics/edits.js';
import {
  accumulator,
  largerIsBetter,
  type MeasuredMetric,
  rangeOf,
  type Task,
} from '../../src/math/metrics/index.js';
import type { Scored } from '../../src/math/metrics/metric.js';
import { packageRoot } from '../../src/util/root.js';

interface Case {
  readonly name: string;
  readonly task: Task;
  readonly size: number;
  readonly outputs: readonly (readonly number[])[];
  readonly interval?: readonly (readonly (readonly number[])[])[];
  readonly inputs?: readonly string[];
  readonly targets: readonly (number | readonly number[])[];
  readonly metrics: Readonly<Record<MeasuredMetric, number | null>>;
}

const cases: readonly Case[] = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/metrics/metrics.json'), 'utf8'),
);

function scored({ task, outputs, interval, inputs, targets }: Case): Scored[] {
  return outputs.map((row, i) => ({
    outputs: Float64Array.from(row),
    point: Float64Array.from(row, z => (task === 'labels' ? 1 / (1 + Math.exp(-z)) : z)),
    target: Float64Array.from([targets[i]].flat()),
    ...(inputs && { input: inputs[i] }),
    ...(interval && {
      interval: [Float64Array.from(interval[0][i]), Float64Array.from(interval[1][i])] as const,
    }),
  }));
}

/** The alignments of two sequences with the fewest edits, found by trying all. */
function fewestEdits(target: readonly number[], predicted: readonly number[]): number {
  if (target.length === 0 || predicted.length === 0) return target.length + predicted.length;
  const [[a, ...restOfTarget], [b, ...rest]] = [target, predicted];
  return Math.min(
    fewestEdits(restOfTarget, rest) + (a === b ? 0 : 1),
    fewestEdits(restOfTarget, predicted) + 1,
    fewestEdits(target, rest) + 1,
  );
}

t.test('an alignment has both sequences in order, and the fewest edits', async () => {
  const symbols = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 6 });
  fc.assert(
    fc.property(symbols, symbols, (target, predicted) => {
      const pairs = alignment(target, predicted);
      const of = (key: 'target' | 'predicted') => pairs.flatMap(pair => pair[key] ?? []);
      t.same([of('target'), of('predicted')], [target, predicted]);
      t.equal(pairs.filter(isEdit).length, fewestEdits(target, predicted));
    }),
  );
});

for (const one of cases) {
  t.test(`${one.task}: ${one.name}`, async t => {
    for (const [name, expected] of Object.entries(one.metrics)) {
      const metric = accumulator(one.task, name as MeasuredMetric, one.size);
      for (const prediction of scored(one)) metric.add(prediction);
      if (expected === null) t.equal(metric.value, undefined, `${name} is not defined`);
      else {
        const error = Math.abs((metric.value ?? Number.NaN) - expected);
        t.ok(
          error <= 1e-12 * Math.max(1, Math.abs(expected)),
          `${name} ${metric.value}, scikit-learn ${expected}`,
        );
      }
    }
  });
}

t.test('without predictions, all metrics are undefined', async t => {
  for (const { task, size, metrics } of cases)
    for (const name of Object.keys(metrics))
      t.equal(accumulator(task, name as MeasuredMetric, size).value, undefined, `${name} of ${task}`);
});

t.test('the predicted class is the first of the largest logits; there is none if a logit is NaN', async t => {
  const accuracy = (logits: number[], label: number, name: MeasuredMetric = 'accuracy') => {
    const metric = accumulator('classes', name, logits.length);
    const outputs = Float64Array.from(logits);
    metric.add({ outputs, point: outputs, target: Int32Array.of(label) });
    return metric.value;
  };
  t.equal(accuracy([0, 3, 1], 1), 1);
  t.equal(accuracy([-5, -3, -1], 2), 1);
  t.equal(accuracy([2, 1, 2], 0), 1, 'the first of equals');
  t.equal(accuracy([2, 1, 2], 2), 0);
  t.equal(accuracy([1, 1, 1, 1], 2, 'top_3_accuracy'), 1);
  t.equal(accuracy([1, 1, 1, 1], 3, 'top_3_accuracy'), 0);
  for (const label of [0, 1, 2]) {
    t.equal(accuracy([1, Number.NaN, 2], label), 0, 'NaN is never right');
    t.equal(accuracy([1, Number.NaN, 2], label, 'top_3_accuracy'), 0, 'nor among the first');
  }
});

t.test('whether larger is better does not depend on the split', async t => {
  t.ok(largerIsBetter('validation.f1'));
  t.ok(largerIsBetter('train.accuracy'));
  t.notOk(largerIsBetter('validation.perplexity'));
  t.notOk(largerIsBetter('performance.ms_per_step'));
  t.same(rangeOf('test.r2'), { min: Number.NEGATIVE_INFINITY, max: 1 });
  t.same(rangeOf('validation.top_5_accuracy'), { min: 0, max: 1 });
});
