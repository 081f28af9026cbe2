/** Every backend that this machine has, against PyTorch's float64 values: logits, loss, gradients, ten optimizer steps. */
import t from 'tap';
import { BACKENDS, type Backend, chooseBackend } from '../src/engine/backend.js';
import { Engine } from '../src/engine/index.js';
import { answersEachStep } from '../src/model/heads.js';
import { ParameterLayout } from '../src/model/parameters.js';
import { adam } from '../src/optimizers/adam.js';
import type { Optimizer } from '../src/optimizers/optimizer.js';
import { sgd } from '../src/optimizers/sgd.js';
import { passOn, ShardComputer, startAnew } from '../src/training/shards.js';
import { clipFactor, gradientNorm, Updater } from '../src/training/updater.js';
import { GOLDENS, type Golden, golden, relativeError } from './support/goldens.js';
import { batchMajor, goldenShard, initialParameters, lossOf } from './support/shards.js';
import './support/software-gpu.js';

/** The goldens' optimizers as ours: [optimizer, settings, learning rate]. */
const OPTIMIZERS: Record<string, [Optimizer<never>, object, number]> = {
  sgd: [sgd, { momentum: 0, nesterov: false, weight_decay: 0 }, 0.1],
  sgd_nesterov: [sgd, { momentum: 0.9, nesterov: true, weight_decay: 0.01 }, 0.05],
  adam: [adam, { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 }, 0.01],
};

async function available(backend: Backend): Promise<string | false> {
  return chooseBackend(backend).then(
    () => false,
    (error: Error) => error.message,
  );
}

/** Logits [B, S, C] without those past the end of a sequence, which mean nothing. */
function withinSequences({ spec, steps, split }: Golden, logits: ArrayLike<number>): number[] {
  const { lengths } = split;
  const all = Array.from(logits);
  if (!lengths || !answersEachStep(spec.head)) return all;
  return all.filter((_, i) => {
    const at = Math.floor(i / spec.outputSize);
    return at % steps < lengths[Math.floor(at / steps)];
  });
}

for (const backend of BACKENDS) {
  const skip = await available(backend);
  t.test(`backend ${backend}`, { skip }, async t => {
    const engine = await Engine.start(backend);
    t.teardown(() => engine.close());
    t.afterEach(() => {
      if (engine.fallbacks.length > 0)
        throw new Error(`gpu.js's own code ran: ${engine.fallbacks[0].reason}`);
    });
    for (const name of GOLDENS) {
      const expected = golden(name);
      const { spec, batch, values } = expected;
      const layout = new ParameterLayout(spec);
      const { job, batches } = goldenShard(expected, backend, true);
      const [{ gradient, predictions, carried }] = batches;
      // its kernels are compiled when it first runs, once for all tests of this golden
      const computer = new ShardComputer(engine, job);
      if (!spec.carriesState) {
        await t.test(`gradient of ${name}`, async t => {
          const flat = initialParameters(expected);
          await computer.compute(flat, batches[0]);
          const loss = lossOf(batches[0]);
          t.ok(relativeError([loss], values('out.loss')) < 1e-5, `loss ${loss}`);
          const logits = withinSequences(expected, batchMajor(predictions, batch, spec.outputSize));
          const torch = withinSequences(expected, values('out.logits'));
          t.ok(relativeError(logits, torch) < 1e-5, 'logits');
          for (const parameter of layout.parameters) {
            const error = relativeError(layout.read(parameter, gradient), values(`grad.${parameter.name}`));
            t.ok(error < 1e-4, `gradient of ${parameter.name}: ${error}`);
          }
          // its programs are others; what a backend makes of them is seen above
          if (backend !== 'webasm') return;
          const evaluation = goldenShard(expected, backend, false);
          await new ShardComputer(engine, evaluation.job).compute(flat, evaluation.batches[0]);
          const evaluated = evaluation.batches[0].predictions;
          t.ok(relativeError(evaluated, predictions) < 1e-6, 'an evaluation predicts the same');
        });
      }

      for (const optimizerName of Object.keys(expected.optimizers).filter(key => key in OPTIMIZERS)) {
        await t.test(`${name}: 10 steps of ${optimizerName}`, async t => {
          const flat = initialParameters(expected);
          const [optimizer, settings, learningRate] = OPTIMIZERS[optimizerName];
          const updater = Updater.create(engine, optimizer, settings as never, layout.size);
          for (let step = 1; step <= 10; step++) {
            const memory = batches[(step - 1) % batches.length];
            if (memory === batches[0]) startAnew(carried);
            await computer.compute(flat, memory);
            passOn(carried);
            const scale = clipFactor(gradientNorm(gradient), expected.clip ?? undefined);
            await updater.apply(flat, gradient, { step, learningRate, scale });
          }
          for (const parameter of layout.parameters) {
            const after = values(`${optimizerName}.step10.${parameter.name}`);
            const error = relativeError(layout.read(parameter, flat), after);
            t.ok(error < 1e-4, `${parameter.name} after 10 steps: ${error}`);
          }
        });
      }
    }
  });
}
