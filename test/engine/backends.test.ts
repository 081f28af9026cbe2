/**
 * webgpu: real training steps against webasm, a device that is lost, and many devices one after the
 * other.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t, { type Test } from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { openDataset } from '../../src/data/index.js';
import { chooseBackend } from '../../src/engine/backend.js';
import type { Backend } from '../../src/engine/backend-names.js';
import { Device } from '../../src/engine/device.js';
import { Engine } from '../../src/engine/index.js';
import { Graph } from '../../src/math/graph/node.js';
import { add } from '../../src/math/ops/elementwise.js';
import { adam } from '../../src/math/optimizers/adam.js';
import { resumeExperiment, runExperiment } from '../../src/train/resume.js';
import { Trainer } from '../../src/train/trainer.js';
import { RandomStream } from '../../src/util/random.js';
import { compareRuns } from '../../src/verify/resume.js';
import { readLog, Workplace } from '../support/cli.js';
import { relativeError } from '../support/goldens.js';
import { modelOf } from '../support/models.js';
import { silentObserver } from '../support/runs.js';

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

/** Trains on both backends; the losses on webasm. */
async function checkAgreement(t: Test, training: Training) {
  const webasm = await train('webasm', training);
  const webgpu = await train('webgpu', training);
  const worst = Math.max(...webasm.losses.map((loss, i) => Math.abs(webgpu.losses[i] - loss) / loss));
  t.equal(webgpu.losses.length, training.steps);
  t.ok(worst < 1e-3, `the losses agree: ${worst}`);
  const error = relativeError(webgpu.parameters, webasm.parameters);
  t.ok(error < 1e-3, `the parameters agree: ${error}`);
  return webgpu;
}

const missing = await chooseBackend('webgpu').then(
  () => false as const,
  (error: Error) => error.message,
);

const patience = { skip: missing, timeout: 500_000 };

// Software Vulkan takes most of the time to compile, so there is one model. A smaller one takes
// longer: the driver unrolls its loops.
t.test('5 steps of the reference experiment, in its full size', patience, async t => {
  const { losses, ofStep } = await checkAgreement(t, {
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

t.test(
  'a lost device ends the run with one message, and resume goes on to the same end',
  { skip: missing },
  async t => {
    const work = new Workplace();
    t.teardown(() => work.remove());
    const config = work.config({
      version: 1,
      name: 'lost',
      dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 5, train_size: 40, test_size: 10 },
      model: { cell: 'lstm', hidden_size: 4, num_layers: 1, head: { from: 'last' } },
      loss: { kind: 'mse' },
      optimizer: { kind: 'adam', learning_rate: 0.01 },
      training: { num_epochs: 3, batch_size: 10, log_every: 1 },
    });
    const loaded = loadExperiment(config);
    const options = {
      backend: 'webgpu' as const,
      threads: undefined,
      commandLine: [],
      started: new Date(),
      signal: new AbortController().signal,
    };
    const straight = await runExperiment(loaded, { ...options, output: work.folder() }, silentObserver);
    const { directory: whole, ms_per_step, calibration_ms, step_ratio } = straight.summary;
    t.ok(Number(calibration_ms) > 0, `${calibration_ms} ms`);
    t.equal(step_ratio, Number(ms_per_step) / Number(calibration_ms));
    t.match(readLog(whole).at(-1), { event: 'run.end', ms_per_step, calibration_ms, step_ratio });
    const output = work.folder();
    const losing = {
      ...silentObserver,
      step: ({ step }: { step: number }) => void (step === 6 && Device.last?.close()),
    };
    const error: unknown = await runExperiment(loaded, { ...options, output }, losing).catch(
      (thrown: unknown) => thrown,
    );
    t.match(error, {
      exitCode: 1,
      diagnostics: [{ code: 'engine/device-lost', message: /^the WebGPU device was lost/ }],
    });
    const [id] = readdirSync(join(output, 'lost'));
    const directory = join(output, 'lost', id);
    t.match(readLog(directory).at(-1), { event: 'run.end', status: 'failed', exit_code: 1 });
    const resumed = { ...options, set: [], allowChange: [], strict: false };
    const { summary } = await resumeExperiment(directory, resumed, silentObserver);
    t.equal(summary.status, 'completed');
    t.match(
      readLog(directory).find(({ event }) => event === 'run.resume'),
      { step: 4 },
    );
    t.same(compareRuns(straight.summary.directory, directory), []);
  },
);

t.test('a driver that computes nothing is found at the next reading', { skip: missing }, async t => {
  const engine = await Engine.start('webgpu');
  t.teardown(() => engine.close());
  Object.assign(engine.device as Device, { dispatch: () => {} });
  await t.rejects(engine.arrays.read(), { message: 'the GPU returned a wrong result for a known kernel' });
});

t.test(
  'a device may be opened and closed often, whatever is collected in between',
  { skip: missing },
  async t => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const graph = new Graph();
    const doubled = add(graph.input('x', [4]), graph.input('x', [4]));
    for (let round = 0; round < 15; round++) {
      const engine = await Engine.start('webgpu');
      const executable = engine.compile({ graph, outputs: new Map([['y', doubled]]) });
      const { y } = await executable.run({ x: Float32Array.of(1, 2, 3, 4) });
      await engine.arrays.read(y);
      t.same([...y], [2, 4, 6, 8]);
      await engine.close();
      collect();
      // finalizers run in a task of their own
      await new Promise(resolve => setTimeout(resolve, 20));
      collect();
    }
  },
);
