/** What a run computes on, before anything of it is written: `auto` measures, a GPU has limits. */
import type { Experiment, LoadedExperiment } from '../config/index.js';
import type { Backend } from '../engine/backend-names.js';
import { Device } from '../engine/device.js';
import { Engine } from '../engine/index.js';
import { UserError, usageErrors } from '../util/errors.js';
import { formatBytes } from '../util/numbers.js';
import { evaluationRows } from './evaluator.js';
import { initialWeights } from './initial-weights.js';
import { learningRates, planRun } from './plan.js';
import { ShardPool } from './pool.js';
import { createTrainer, type Session, widthOn } from './session.js';

/**
 * The session with its final backend. If that is open, both backends train the first steps, each
 * from the start, and are then forgotten: the run has the bytes of one that names its backend.
 *
 * @throws UserError (exit 2) if the run does not fit on a GPU that was asked for
 */
export async function settleBackend(loaded: LoadedExperiment, session: Session): Promise<Session> {
  const { backend, isOpen, adapter } = session.choice;
  if (backend === 'webgpu') await checkMemory(loaded, session);
  if (!isOpen || !adapter) return session;
  const on = (backend: Backend, reason: string, width = session.run.width): Session => {
    return { ...session, choice: { backend, reason, adapter }, run: { ...session.run, backend, width } };
  };
  const gpu = on('webgpu', '', widthOn('webgpu', undefined));
  const host = await firstSteps(loaded, session);
  try {
    await checkMemory(loaded, gpu);
    const device = await firstSteps(loaded, gpu);
    const apart = Math.abs(device.loss - host.loss) / Math.max(Math.abs(host.loss), Number.MIN_VALUE);
    if (!(apart <= MAX_APART))
      return on(
        'webasm',
        `the GPU computes another loss in the first step: ${device.loss}, not ${host.loss}`,
      );
    const times = `webgpu ${device.ms.toFixed(1)} ms, webasm ${host.ms.toFixed(1)} ms`;
    const reason = `faster in the first steps: ${times} a step`;
    return device.ms < host.ms ? on('webgpu', reason, gpu.run.width) : on('webasm', reason);
  } catch (error) {
    const [problem] = (error instanceof UserError ? error.diagnostics[0].message : String(error)).split(';');
    return on('webasm', `the GPU cannot train this: ${problem}`);
  }
}

/** The largest relative difference of the losses of the first step; see verify/backends.ts. */
const MAX_APART = 1e-3;
/** Steps that count; the one before compiles. */
const TIMED_STEPS = 5;
/** Time limit in milliseconds, after which no further step starts. */
const ENOUGH_MS = 2000;

/** The loss of the first step, and the milliseconds of the fastest of the next. */
async function firstSteps(loaded: LoadedExperiment, session: Session) {
  const trainer = await createTrainer(loaded, session);
  try {
    trainer.parameters.set(initialWeights(loaded, session.spec).parameters);
    trainer.write();
    const { order, ...length } = planRun(loaded, session);
    const rate = learningRates(loaded.experiment, length);
    let [loss, ms, spent] = [Number.NaN, Number.POSITIVE_INFINITY, 0];
    for (let step = 1; step <= 1 + TIMED_STEPS && spent < ENOUGH_MS; step++) {
      const startsEpoch = order.position === 0;
      const batch = await trainer.prepare(order.next(), step, startsEpoch);
      const began = performance.now();
      const result = await trainer.step(batch, step, rate(step));
      const passed = performance.now() - began;
      if (step === 1) loss = result.loss;
      else [ms, spent] = [Math.min(ms, passed), spent + passed];
    }
    return { loss, ms };
  } finally {
    await trainer.close();
  }
}

/** @throws UserError (exit 2) with the largest batch that fits */
async function checkMemory(loaded: LoadedExperiment, session: Session): Promise<void> {
  const { locator, experiment } = loaded;
  const asked = experiment.training.batch_size;
  const most = await Device.maxBytes();
  const bytes = (batchSize: number) => bytesOnDevice(loaded, session, batchSize);
  const needed = await bytes(asked);
  if (needed <= most) return;
  // the largest that fits is below `high`
  let [fits, high] = [0, asked];
  while (high - fits > 1) {
    const middle = Math.ceil((fits + high) / 2);
    if ((await bytes(middle)) <= most) fits = middle;
    else high = middle;
  }
  const size = Number.isFinite(needed) ? formatBytes(needed) : 'more than 4 GiB';
  const message = `the model and its batches need ${size}; a kernel can read ${formatBytes(most)} on this GPU`;
  const code = 'engine/device-memory';
  const other = 'or --backend webasm';
  throw usageErrors([
    fits > 0
      ? locator.atValue(['training', 'batch_size'], code, message, {
          expected: `at most ${fits} on this GPU, ${other}`,
          got: String(asked),
        })
      : locator.atKey(['model', 'hidden_size'], code, message, { expected: `a smaller model, ${other}` }),
  ]);
}

/** What a run with this batch size allocates, as one step and one batch of an evaluation show. */
async function bytesOnDevice(loaded: LoadedExperiment, session: Session, batchSize: number): Promise<number> {
  const { experiment } = loaded;
  const { validation, test, train } = session.dataset;
  const training: Experiment['training'] = { ...experiment.training, batch_size: batchSize };
  const engine = Engine.rehearsal();
  try {
    const pool = await ShardPool.open(session.run, { engine });
    const trainer = await createTrainer(
      { ...loaded, experiment: { ...experiment, training } },
      session,
      pool,
    );
    // no rows: a batch that was never written has the steps of the longest
    const empty = { split: train, indices: new Uint32Array(0), slot: 0, startsEpoch: true };
    await trainer.step(empty, 1, 0);
    trainer.useAverage();
    const largest = Math.max(validation?.count ?? 0, test.count);
    await trainer.evaluator(evaluationRows(session.run, training, largest)).warmUp();
    return engine.heap.usedBytes;
  } catch (error) {
    if (error instanceof RangeError) return Number.POSITIVE_INFINITY;
    throw error;
  }
}
