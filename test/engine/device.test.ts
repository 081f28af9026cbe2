/**
 * Runs on a GPU: what `auto` chooses, limits, devices that fail or are killed, memory, and products
 * against float64.
 */
import '../support/software-gpu.js';
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t, { type Test } from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { chooseBackend, takeSoftwareForHardware } from '../../src/engine/backend.js';
import type { BackendRequest } from '../../src/engine/backend-names.js';
import { Device } from '../../src/engine/device.js';
import { Engine } from '../../src/engine/index.js';
import { Graph } from '../../src/math/graph/node.js';
import { add } from '../../src/math/ops/elementwise.js';
import { resumeExperiment, runExperiment } from '../../src/train/resume.js';
import { Trainer } from '../../src/train/trainer.js';
import { programFile } from '../../src/util/root.js';
import { cameTo, compareRuns, lastStep, runUnder, startRun } from '../../src/verify/resume.js';
import { wrongProducts } from '../soak/products.js';
import { onlyIn, readLog } from '../support/cli.js';
import { silentObserver } from '../support/runs.js';
import { work } from '../support/work.js';

const missing = await chooseBackend('webgpu').then(
  () => false as const,
  (error: Error) => error.message,
);
const patience = { skip: missing, timeout: 500_000 };

/** A model that Mesa compiles within seconds. */
const SMALL = {
  name: 'small',
  dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 5, train_size: 40, test_size: 10 },
  model: { cell: 'lstm', hidden_size: 4, num_layers: 1, head: { from: 'last' } },
  loss: { kind: 'mse' },
  training: { num_epochs: 3, batch_size: 10, log_every: 1 },
};

const OPTIONS = {
  backend: 'webgpu' as BackendRequest,
  threads: 1,
  commandLine: [],
  started: new Date(),
  signal: new AbortController().signal,
};
const RESUMED = { ...OPTIONS, set: [], allowChange: [], strict: false };

const config = work.config(SMALL);
const loaded = loadExperiment(config);

async function train(options: Partial<typeof OPTIONS> = {}) {
  const given = { ...OPTIONS, ...options, output: work.folder() };
  const { summary } = await runExperiment(loaded, given, silentObserver);
  return summary;
}

/** Trains until `act` has made the device fail after step 6; the error and the run's directory. */
async function failing(act: () => void) {
  const output = work.folder();
  const observer = { ...silentObserver, step: ({ step }: { step: number }) => void (step === 6 && act()) };
  const error: unknown = await runExperiment(loaded, { ...OPTIONS, output }, observer).catch(
    (thrown: unknown) => thrown,
  );
  return { error, directory: onlyIn(output, SMALL.name) };
}

const straight = missing ? undefined : await train();

/** Resumes a run that stopped after step 6, and compares it with one that did not. */
async function resumesToTheSameEnd(t: Test, directory: string) {
  const { summary } = await resumeExperiment(directory, RESUMED, silentObserver);
  t.equal(summary.status, 'completed');
  t.match(
    readLog(directory).find(({ event }) => event === 'run.resume'),
    { step: 4 },
  );
  t.same(compareRuns(straight!.directory, directory), []);
}

t.test('a run on a GPU records how fast it was', patience, async t => {
  const { directory, ms_per_step, calibration_ms, step_ratio } = straight!;
  t.ok(Number(calibration_ms) > 0, `${calibration_ms} ms`);
  t.equal(step_ratio, Number(ms_per_step) / Number(calibration_ms));
  t.match(readLog(directory).at(-1), { event: 'run.end', ms_per_step, calibration_ms, step_ratio });
});

t.test('a profile times every dispatch of a step', patience, async t => {
  const graph = async (...flags: string[]) =>
    JSON.parse((await work.cellrun('graph', config, '--backend', 'webgpu', '--json', ...flags)).stdout);
  const [{ kernels, width, step_ms }, costs] = [await graph('--profile'), await graph()];
  const own = kernels.filter(({ program }: { program: string }) => !program.endsWith('update'));
  const flops = own.reduce(
    (sum: number, one: { flops_per_s: number; ms: number }) => sum + (one.flops_per_s * one.ms) / 1000,
    0,
  );
  t.equal(width, null);
  t.ok(own.length > 5 && own.length < kernels.length, 'the update is apart');
  t.ok(kernels.every(({ ms }: { ms: number }) => ms > 0 && ms < step_ms));
  t.ok(Math.abs(flops / costs.flops_per_step - 1) < 1e-9, 'as often as they run');
});

t.test('auto measures', patience, async t => {
  takeSoftwareForHardware(true);
  t.teardown(() => takeSoftwareForHardware(false));
  const reasonOf = (directory: string) =>
    String(readLog(directory).find(({ event }) => event === 'graph.compiled')?.backend_reason);
  const auto = { backend: 'auto' as const };

  await t.test('the faster backend trains as if it had been named', async t => {
    const { directory, backend } = await train(auto);
    const times = /^faster in the first steps: webgpu (\S+) ms, webasm (\S+) ms a step$/;
    const [, gpu, host] = times.exec(reasonOf(directory)) ?? [];
    t.ok(Number(host) < Number(gpu), reasonOf(directory));
    t.equal(backend, 'webasm');
    t.same(compareRuns((await train({ backend: 'webasm' })).directory, directory), []);
  });

  await t.test('a GPU that is faster trains, and resume keeps it', async t => {
    const { step } = Trainer.prototype;
    Trainer.prototype.step = async function (this: Trainer, ...args) {
      // `arrays` of the host are those of a slow processor
      if (!('device' in (this as unknown as { arrays: object }).arrays)) await sleep(200);
      return step.apply(this, args);
    };
    t.teardown(() => Object.assign(Trainer.prototype, { step }));
    const output = work.folder();
    const stop = new AbortController();
    const observer = {
      ...silentObserver,
      step: ({ step }: { step: number }) => void (step === 6 && stop.abort()),
    };
    const options = { ...OPTIONS, ...auto, output, signal: stop.signal };
    const { summary } = await runExperiment(loaded, options, observer);
    t.match(summary, { status: 'interrupted', backend: 'webgpu' });
    t.match(reasonOf(summary.directory), /^faster in the first steps: webgpu \S+ ms, webasm 2\d\d/);
    await resumeExperiment(summary.directory, { ...RESUMED, ...auto }, silentObserver);
    t.same(compareRuns(straight!.directory, summary.directory), []);
  });

  await t.test('a GPU that fails or computes something else does not train', async t => {
    const { read } = Device.prototype;
    const { dispatch } = Device.prototype;
    t.teardown(() => Object.assign(Device.prototype, { read, dispatch }));
    Device.prototype.dispatch = () => {};
    t.equal(
      reasonOf((await train(auto)).directory),
      'the GPU cannot train this: the GPU returned a wrong result for a known kernel',
    );
    Device.prototype.dispatch = dispatch;
    Device.prototype.read = async function (this: Device, arrays) {
      await read.call(this, arrays);
      // all but the last, which is known
      for (const array of arrays.slice(0, -1)) array.fill(0);
    };
    const { directory, backend } = await train(auto);
    t.match(reasonOf(directory), /^the GPU computes another loss in the first step: 0, not 0\.\d+$/);
    t.equal(backend, 'webasm');
  });
});

t.test('a model that does not fit is refused before training, with what fits', patience, async t => {
  const { maxBytes } = Device;
  t.teardown(() => Object.assign(Device, { maxBytes }));
  const refused = async (most: number, batch: number, hidden = 4) => {
    Device.maxBytes = async () => most;
    const set = [`training.batch_size=${batch}`, `model.hidden_size=${hidden}`, 'training.eval_batch_size=1'];
    const output = work.folder();
    const one = runExperiment(loadExperiment(config, { set }), { ...OPTIONS, output }, silentObserver);
    const error = await one.catch((thrown: unknown) => thrown);
    t.same(readdirSync(output), [], 'nothing is written');
    return error;
  };
  const error = (await refused(2e5, 1000)) as { diagnostics: { expected: string }[] };
  t.match(error, {
    exitCode: 2,
    diagnostics: [
      { code: 'engine/device-memory', message: /a kernel can read 200 kB on this GPU/, got: '1000' },
    ],
  });
  const [, fits] =
    /^at most (\d+) on this GPU, or --backend webasm$/.exec(error.diagnostics[0].expected) ?? [];
  t.ok(Number(fits) > 10, `${fits} fit`);
  t.match(await refused(2e5, Number(fits) + 1), {
    diagnostics: [{ expected: `at most ${fits} on this GPU` }],
  });
  const large = (await refused(2e5, 10, 400)) as { message: string };
  t.match(large, { diagnostics: [{ expected: 'a smaller model, or --backend webasm' }] });
});

t.test(
  'a lost device ends the run with one message; a resumed run ends with the same files',
  patience,
  async t => {
    const { error, directory } = await failing(() => Device.last?.close());
    t.match(error, {
      exitCode: 1,
      diagnostics: [{ code: 'engine/device-lost', message: /^the WebGPU device was lost/ }],
    });
    t.match(readLog(directory).at(-1), { event: 'run.end', status: 'failed', exit_code: 1 });
    await resumesToTheSameEnd(t, directory);
  },
);

t.test('so does a driver that hangs', patience, async t => {
  const { patienceMs } = Device;
  const { mapAsync } = GPUBuffer.prototype;
  const { error, directory } = await failing(() => {
    Device.patienceMs = 100;
    GPUBuffer.prototype.mapAsync = () => new Promise(() => {});
  });
  Device.patienceMs = patienceMs;
  GPUBuffer.prototype.mapAsync = mapAsync;
  t.match(error, {
    exitCode: 1,
    diagnostics: [{ code: 'engine/device-hangs', message: /^the GPU has not answered for 0.1 s; / }],
  });
  await resumesToTheSameEnd(t, directory);
});

t.test('and one that computes nothing any more', patience, async t => {
  const { error, directory } = await failing(() => Object.assign(Device.last!, { dispatch: () => {} }));
  t.match(error, {
    exitCode: 1,
    diagnostics: [{ code: 'engine/device-wrong', message: /^the GPU returned a wrong result/ }],
  });
  await resumesToTheSameEnd(t, directory);
});

t.test('and one that refuses commands', patience, async t => {
  const { error, directory } = await failing(() => {
    const { gpu } = Device.last!;
    gpu.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
  });
  t.match(error, { exitCode: 1, diagnostics: [{ code: 'engine/device-refuses' }] });
  await resumesToTheSameEnd(t, directory);
});
t.test('a run that is killed in the middle of a step resumes to the same end', patience, async t => {
  const output = work.folder();
  const program = [process.execPath, programFile('cli/main.js')] as const;
  const running = startRun(program, ['run', config, '--backend', 'webgpu', '--output', output]);
  t.ok(await cameTo(running, () => lastStep(runUnder(output)) >= 6));
  running.child.kill('SIGKILL');
  t.match(await running.ended, { signal: 'SIGKILL' });
  const directory = runUnder(output)!;
  t.not(readLog(directory).at(-1)?.event, 'run.end');
  await resumeExperiment(directory, RESUMED, silentObserver);
  t.same(compareRuns(straight!.directory, directory), []);
});

t.test('memory stays flat over many steps', patience, async t => {
  const set = ['training.num_epochs=5', 'training.batch_size=1'];
  const sizes: unknown[] = [];
  const observer = {
    ...silentObserver,
    step: ({ step }: { step: number }) => {
      if (step === 50 || step === 199) sizes.push(Device.last?.memory);
    },
  };
  const options = { ...OPTIONS, output: work.folder() };
  await runExperiment(loadExperiment(config, { set }), options, observer);
  const [early, late] = sizes;
  t.match(early, { heap: Number, buffers: Number, shaders: Number });
  t.same(late, early);
});

t.test('products of random shapes agree with float64', patience, async t => {
  t.same(await wrongProducts('webgpu', { cases: 12, seed: 1 }), []);
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
