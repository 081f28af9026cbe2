/**
 * `evaluation.json` lists the scores of each class, label and target, against scikit-learn's
 * (`fixtures/metrics`).
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { validateAgainst } from '../../src/config/schema/schema.js';
import type { Dataset, Split, Targets } from '../../src/data/index.js';
import type { LossSettings } from '../../src/math/losses/index.js';
import type { Task } from '../../src/math/metrics/index.js';
import { spellNonFinite } from '../../src/run/json.js';
import { evaluationCollector } from '../../src/train/evaluation-document.js';
import type { ModelRun } from '../../src/train/shards.js';
import { packageRoot } from '../../src/util/root.js';
import { modelOf } from '../support/models.js';

interface Case {
  readonly name: string;
  readonly task: Task;
  readonly size: number;
  readonly outputs: readonly (readonly number[])[];
  readonly targets: readonly (number | readonly number[])[];
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly scores: readonly Readonly<Record<string, number | null>>[];
}

const cases: readonly Case[] = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/metrics/metrics.json'), 'utf8'),
);
const LOSS: Readonly<Record<Task, LossSettings>> = {
  classes: { kind: 'cross_entropy' },
  labels: { kind: 'binary_cross_entropy' },
  values: { kind: 'mae' },
};
const LISTS: Readonly<Record<Task, string>> = {
  classes: 'per_class',
  labels: 'per_label',
  values: 'per_output',
};

/** The document of a case, as in the file, and valid. */
function documentOf({ task, size, outputs, targets }: Case): Record<string, unknown> {
  const values: Targets = { kind: 'value', size, values: new Float32Array() };
  const split: Split = { count: outputs.length, targets: values, read: () => {} };
  const dataset: Dataset = {
    input: { kind: 'number', size: 1 },
    sequenceLength: 1,
    train: split,
    test: split,
    digests: [],
  };
  const run: ModelRun = {
    backend: 'cpu',
    threads: 1,
    spec: modelOf({ cell: 'gru', hidden_size: 1 }, { outputSize: size }),
    loss: LOSS[task],
    metrics: [],
    seed: 0,
    sequenceLength: 1,
    variableLength: false,
  };
  const collector = evaluationCollector(run, dataset, 'test');
  outputs.forEach((row, index) => {
    const numbers = Float32Array.from(row);
    const prediction = {
      step: 0,
      counts: true,
      loss: index,
      outputs: numbers,
      point: task === 'labels' ? numbers.map(z => 1 / (1 + Math.exp(-z))) : numbers,
      target: Float64Array.from([targets[index]].flat()),
    };
    collector.add({ index, predictions: [prediction] });
  });
  const outcome = { epoch: 1, step: 1, loss: 1, metrics: {}, count: outputs.length };
  const document = spellNonFinite(collector.document(outcome)) as Record<string, unknown>;
  const errors = validateAgainst('evaluation', document);
  if (errors.length > 0) throw new Error(`${errors[0].instancePath} ${errors[0].message}`);
  return document;
}

for (const one of cases.filter(({ name }) => name !== 'without ties')) {
  t.test(`${one.task}: ${one.name}`, async t => {
    const document = documentOf(one);
    const listed = document[LISTS[one.task]] as Record<string, number>[];
    t.equal(listed.length, one.size);
    listed.forEach((scores, k) => {
      for (const [score, value] of Object.entries(scores)) {
        const expected = one.scores[k][score] ?? Number.NaN;
        t.ok(
          Math.abs(value - expected) <= 1e-12 * Math.max(1, Math.abs(expected)),
          `${score} of ${k}: ${value}`,
        );
      }
      const isDefined = one.task !== 'values' || one.scores[k].r2 !== null;
      t.equal('r2' in scores, one.task === 'values' && isDefined, 'what is not defined is left out');
    });
    const whole = one.task === 'values' ? 'mean_absolute_error' : 'accuracy';
    t.ok(Math.abs(Number(document[whole]) - Number(one.metrics[whole])) < 1e-12, whole);
  });
}

t.test('pairs are lists for several targets and numbers for one', async t => {
  const [several, one] = ['three targets', 'a constant target'].map(
    name => cases.find(given => given.name === name) as Case,
  );
  for (const given of [several, one]) {
    const { sample } = documentOf(given) as {
      sample: { index: number; target: unknown; prediction: unknown }[];
    };
    t.equal(sample.length, given.outputs.length);
    t.same(sample[4], { index: 4, target: given.targets[4], prediction: given.outputs[4] });
  }
  const single = { ...several, size: 1, outputs: [[1], [2]], targets: [[3], [4]] };
  t.same(documentOf(single).sample, [
    { index: 0, target: 3, prediction: 1 },
    { index: 1, target: 4, prediction: 2 },
  ]);
});
