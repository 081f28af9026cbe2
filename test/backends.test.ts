/** The reference experiment on webgpu against webasm: 20 real steps, the same losses and nearly the same parameters. */
import t from 'tap';
import { openDataset } from '../src/data/index.js';
import { type Backend, chooseBackend } from '../src/engine/backend.js';
import type { ModelSpec } from '../src/model/spec.js';
import { adam } from '../src/optimizers/adam.js';
import { RandomStream } from '../src/random.js';
import { Trainer } from '../src/training/trainer.js';
import { relativeError } from './support/goldens.js';

const STEPS = 20;
const BATCH = 100;

const reference: ModelSpec = {
  cell: 'lstm',
  inputSize: 28,
  hiddenSize: 128,
  numLayers: 2,
  outputSize: 10,
  head: 'last',
};

async function train(backend: Backend): Promise<{ losses: number[]; parameters: Float32Array }> {
  const { train } = await openDataset({ kind: 'mnist', sequence: 'rows' }, { seed: 0 });
  const trainer = await Trainer.create(
    {
      backend,
      threads: 2,
      spec: reference,
      loss: 'cross_entropy',
      sequenceLength: 28,
      variableLength: false,
      train,
      batchSize: BATCH,
    },
    adam,
    { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 },
  );
  trainer.layout.initialise(trainer.parameters, RandomStream.of(0, 'model/init'));
  const losses: number[] = [];
  for (let step = 1; step <= STEPS; step++) {
    const indices = Uint32Array.from({ length: BATCH }, (_, i) => (step - 1) * BATCH + i);
    const { loss } = await trainer.step(trainer.prepare(indices), step, 0.01);
    losses.push(loss);
  }
  const parameters = trainer.parameters.slice();
  await trainer.close();
  return { losses, parameters };
}

const missing = await chooseBackend('webgpu').then(
  () => false as const,
  (error: Error) => error.message,
);

t.test('20 steps of the reference experiment', { skip: missing, timeout: 240_000 }, async t => {
  const webasm = await train('webasm');
  const webgpu = await train('webgpu');
  const worst = Math.max(...webasm.losses.map((loss, i) => Math.abs(webgpu.losses[i] - loss) / loss));
  t.ok(webasm.losses[STEPS - 1] < webasm.losses[0] / 1.5, 'it learns');
  t.ok(worst < 1e-3, `the losses agree: ${worst}`);
  const error = relativeError(webgpu.parameters, webasm.parameters);
  t.ok(error < 1e-3, `the parameters agree: ${error}`);
});
