/** Real training steps of backends against webasm. For devices that fail see device.test.ts. */
import t, { type Test } from 'tap';
import { openDataset } from '../../src/data/index.js';
import { chooseBackend } from '../../src/engine/backend.js';
import type { Backend } from '../../src/engine/backend-names.js';
import { Device } from '../../src/engine/device.js';
import { gpuLibrary } from '../../src/engine/kernels.js';
import { adam } from '../../src/math/optimizers/adam.js';
import { Trainer } from '../../src/train/trainer.js';
import { RandomStream } from '../../src/util/random.js';
import { relativeError } from '../support/goldens.js';
import { modelOf } from '../support/models.js';

interface Training {
  readonly hiddenSize: number;
  readonly batchSize: number;
  readonly steps: number;
  /** Batches of training data; after the last comes the first. */
  readonly batches: number;
}

async function train(backend: Backend, { hiddenSize, batchSize, steps, batches }: Training) {
  const { train } = await openDataset({ kind: 'mnist', sequence: 'rows' }, { seed: 0 });
  const trainer = await Trainer.create(
    {
      backend,
      threads: 2,
      spec: modelOf(
        { cell: 'lstm', hidden_size: hiddenSize, num_layers: 2 },
        { inputSize: 28, outputSize: 10 },
      ),
      loss: { kind: 'cross_entropy' },
      metrics: [],
      seed: 0,
      sequenceLength: 28,
      variableLength: false,
      train,
      batchSize,
    },
    adam,
    {
      betas: [0.9, 0.999],
      eps: 1e-8,
      amsgrad: false,
      weight_decay: 0,
    },
  );
  trainer.layout.initialise(trainer.parameters, RandomStream.of(0, 'model/init'));
  trainer.write();
  const losses: number[] = [];
  const counts = Device.last?.counts;
  for (let step = 1; step <= steps; step++) {
    const first = ((step - 1) % batches) * batchSize;
    const indices = Uint32Array.from({ length: batchSize }, (_, i) => first + i);
    if (counts) Object.assign(counts, { dispatches: 0, submissions: 0, bytes: 0 });
    const { loss } = await trainer.step(await trainer.prepare(indices, step, step === 1), step, 0.01);
    losses.push(loss);
  }
  const ofStep = { ...counts };
  await trainer.read();
  const parameters = trainer.parameters.slice();
  await trainer.close();
  return { losses, parameters, ofStep };
}

/** Trains on webasm and on another backend; the losses on the other. */
async function checkAgreement(t: Test, backend: Backend, training: Training) {
  const webasm = await train('webasm', training);
  const other = await train(backend, training);
  const worst = Math.max(...webasm.losses.map((loss, i) => Math.abs(other.losses[i] - loss) / loss));
  t.equal(other.losses.length, training.steps);
  t.ok(worst < 1e-3, `the losses agree: ${worst}`);
  const error = relativeError(other.parameters, webasm.parameters);
  t.ok(error < 1e-3, `the parameters agree: ${error}`);
  return other;
}

const missing = await chooseBackend('webgpu').then(
  () => false as const,
  (error: Error) => error.message,
);

const patience = { skip: missing, timeout: 500_000 };

// Software Vulkan takes most of the time to compile, so there is one model. A smaller one takes
// longer: the driver unrolls its loops.
t.test('5 steps of the reference experiment, in its full size', patience, async t => {
  const { losses, ofStep } = await checkAgreement(t, 'webgpu', {
    hiddenSize: 128,
    batchSize: 100,
    steps: 5,
    batches: 2,
  });
  t.ok(losses[4] < losses[0], 'it learns');
  const { dispatches = Number.NaN, submissions, bytes = Number.NaN } = ofStep;
  t.equal(submissions, 1, 'a step is one submission');
  t.ok(dispatches <= 260, `${dispatches} dispatches`);
  t.ok(bytes <= 500_000, `${bytes} bytes`);
});

const small = { hiddenSize: 4, batchSize: 3, steps: 2, batches: 2 };

t.test('gpu.js as shipped trains alike, in its own pipelines', async t => {
  const { backend, reason } = await chooseBackend('gpu.js');
  t.same(
    { backend, reason },
    { backend: 'gpu.js', reason: "as requested; gpu.js's pipelines run on webasm" },
  );
  const { losses } = await checkAgreement(t, 'gpu.js', small);
  t.ok(losses.every(Number.isFinite));
});

t.test('kernels are created by gpu.js on every backend', async t => {
  const { GPU, Kernel } = gpuLibrary();
  for (const backend of ['cpu', 'webasm', 'webgpu', 'gpu.js'] as const) {
    if (backend === 'webgpu' && missing) continue;
    const created = t.capture(GPU!.prototype, 'createKernel', GPU!.prototype.createKernel);
    await train(backend, { ...small, hiddenSize: backend.length });
    const kernels = created().map(
      result => 'returned' in result && (result.returned as { kernel?: object }).kernel,
    );
    t.ok(kernels.length > 10, `${backend}: ${kernels.length} kernels`);
    t.ok(
      kernels.every(kernel => kernel instanceof Kernel),
      backend,
    );
    created.restore();
  }
});
