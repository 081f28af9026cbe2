/** Models whose steps are not those of the data: several as one, or each several times. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadModel } from '../../src/index.js';
import { readSafetensors } from '../../src/run/safetensors.js';
import { floats, integers, npz } from '../support/cli.js';
import { complaints } from '../support/data-files.js';
import { config, type Line, linesOf, noise } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';
import { work } from '../support/work.js';

const [N, T, F, S] = [26, 7, 2, 3];
/** Of 3 to 7 steps. */
const lengthOf = (i: number) => 3 + ((i * 5) % 5);
const numberOf = (i: number, step: number, feature: number) =>
  step < lengthOf(i) ? noise((i * T + step) * F + feature) : 0;

type NumberOf = typeof numberOf;

/** An archive with sequences of `steps` steps of `size` numbers, always with the same targets. */
function archive(name: string, [steps, size]: readonly [number, number], value: NumberOf, length = lengthOf) {
  const at = (k: number) => [Math.floor(k / (steps * size)), Math.floor(k / size) % steps, k % size] as const;
  const y = integers([N, S], k => (k % S <= Math.floor(k / S) % S ? (k * k) % 4 : -100));
  const x = floats([N, steps, size], k => value(...at(k)));
  const split = { x, y, lengths: integers([N], i => length(i)) };
  const test = { x_test: x, y_test: y, lengths_test: split.lengths };
  return { path: work.file(name, npz({ ...split, ...test })), input: work.file(`new-${name}`, npz(split)) };
}

const [STACK, REPEAT] = [3, 2];
const given = archive('given.npz', [T, F], numberOf);
// NumPy: np.pad(x, ((0, 0), (0, 2), (0, 0))).reshape(N, 3, 6)
const stacked = archive(
  'stacked.npz',
  [Math.ceil(T / STACK), STACK * F],
  (i, step, feature) => {
    const of = step * STACK + Math.floor(feature / F);
    return of < T ? numberOf(i, of, feature % F) : 0;
  },
  i => Math.ceil(lengthOf(i) / STACK),
);
// NumPy: np.repeat(x, 2, axis=1)
const repeated = archive(
  'repeated.npz',
  [T * REPEAT, F],
  (i, step, feature) => numberOf(i, Math.floor(step / REPEAT), feature),
  i => lengthOf(i) * REPEAT,
);

const CTC = {
  loss: { kind: 'ctc', on_impossible: 'skip' },
  model: { head: { from: 'every' }, bidirectional: true },
};
const DECODER = {
  loss: { kind: 'cross_entropy' },
  model: { decoder: { hidden_size: 4, embedding_size: 2, attention: 'general' } },
};

const configOf = (path: string, { loss, model }: typeof CTC | typeof DECODER, steps?: object) => {
  const data = { kind: 'npz', path, target_kind: 'sequence' };
  const training = { num_epochs: 3, bucket_by_length: true };
  return config(data, loss, { ...model, ...(steps && { steps }) }, training);
};

const weightsOf = (directory: string, checkpoint: string | null | undefined) =>
  [...readSafetensors(join(directory, checkpoint ?? '')).tensors].map(([name, { data }]) => [
    name,
    [...data],
  ]);

for (const [name, kind] of Object.entries({ CTC, DECODER }))
  for (const [steps, same, stepOf] of [
    [{ stack: STACK }, stacked, (step: number) => step * STACK],
    [{ repeat: REPEAT }, repeated, (step: number) => Math.floor(step / REPEAT)],
  ] as const)
    t.test(`${name} with ${JSON.stringify(steps)} is trained as on data with such steps`, async t => {
      const [own, other] = [
        await train(work, configOf(given.path, kind, steps)),
        await train(work, configOf(same.path, kind)),
      ].map(({ summary }) => summary);
      t.same(
        weightsOf(own.directory, own.checkpoints.last),
        weightsOf(other.directory, other.checkpoints.last),
      );
      t.same(own.metrics, other.metrics);
      const predict = async (directory: string, ...args: string[]) =>
        linesOf((await work.cellrun('predict', directory, '--alignment', ...args)).stdout);
      const [ofSplit, ofInput] = [
        await predict(own.directory),
        await predict(own.directory, '--input', given.input),
      ];
      const inSteps = (line: Line): Line => ({
        ...line,
        alignment: (line.alignment as number[] | null)?.map(stepOf) ?? null,
      });
      const expected = (await predict(other.directory)).map(inSteps);
      t.same(ofSplit, expected);
      const probabilities = ofInput.map(({ probability }) => probability);
      t.ok(expected.every(({ probability }) => probabilities.includes(probability)));
      // the example is in the steps of the data
      const document = (directory: string) =>
        readFileSync(join(directory, 'evaluation.json'), 'utf8').replace(/"example": .*/, '');
      t.equal(document(own.directory), document(other.directory));
      const evaluated = JSON.parse(
        (await work.cellrun('evaluate', own.directory, '--input', given.input, '--json')).stdout,
      );
      t.same(evaluated.metrics.input, own.metrics?.test);
    });

t.test('repeated steps make targets possible that are longer than the input', async t => {
  const long = archive('long.npz', [2, F], numberOf, () => 2);
  const strict = { ...CTC, loss: { kind: 'ctc', on_impossible: 'error' } };
  t.match(await complaints(2, () => train(work, configOf(long.path, strict))), [
    /^config|data\/impossible .* 2 steps for 3 symbols .* `model\.steps: \{ repeat: 2 \}`/,
  ]);
  t.equal((await train(work, configOf(long.path, strict, { repeat: 3 }))).summary.status, 'completed');
});

t.test('steps that cannot be stacked or repeated', async t => {
  const perStep = config(
    { kind: 'synthetic', problem: 'copy_memory', delay: 2, train_size: 8, test_size: 4 },
    { kind: 'cross_entropy' },
    { head: { from: 'every' }, steps: { stack: 2 } },
  );
  t.match(await work.cellrun('validate', work.config(perStep)), {
    code: 2,
    stderr: /config\.yaml.*`model\.steps` cannot be combined with a target for each step/s,
  });
  const letters = config(
    { kind: 'synthetic', problem: 'sort', sequence_length: 4, train_size: 8, test_size: 4 },
    { kind: 'ctc' },
    { head: { from: 'every' }, embedding: { size: 2 }, steps: { stack: 2 } },
  );
  t.match(await work.cellrun('validate', work.config(letters)), {
    code: 2,
    stderr: /`stack` needs steps of numbers alone/,
  });
  const { summary } = await train(work, {
    ...configOf(given.path, CTC, { repeat: 2 }),
    model: { cell: 'lstm', hidden_size: 3, head: { from: 'every' }, steps: { repeat: 2 } },
  });
  const model = await loadModel(summary.directory, { backend: 'webasm', threads: 1 });
  t.throws(() => model.session(), { message: /the steps of the model are not those of the data/ });
  await model.close();
});
