/** Every backend that this machine has, against PyTorch's float64 values: logits, loss, gradients, ten optimizer steps. */
import t from 'tap';
import { BACKENDS, type Backend, chooseBackend } from '../src/engine/backend.js';
import { Engine } from '../src/engine/index.js';
import { adam } from '../src/optimizers/adam.js';
import type { Optimizer } from '../src/optimizers/optimizer.js';
import { paddedSize } from '../src/optimizers/program.js';
import { sgd } from '../src/optimizers/sgd.js';
import { Shard } from '../src/training/shard.js';
import { clipFactor, gradientNorm, Updater } from '../src/training/updater.js';
import { GOLDENS, type Golden, golden, relativeError } from './support/goldens.js';
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

function shardOf(engine: Engine, { spec, loss, batch, steps, inputs: { ends: lengths } }: Golden): Shard {
  return new Shard(engine, spec, loss, {
    batch,
    sequenceLength: steps,
    variableLength: lengths !== undefined,
  });
}

function initial({ layout }: Shard, { parameters }: Golden): Float32Array {
  const flat = new Float32Array(paddedSize(layout.size));
  for (const { name, offset } of layout.parameters) flat.set(parameters[name], offset);
  return flat;
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
      // its kernels are compiled when it first runs, once for all tests of this golden
      const shard = shardOf(engine, expected);
      await t.test(`gradient of ${name}`, async t => {
        const flat = initial(shard, expected);
        const given = expected.inputs as never;
        const gradient = new Float32Array(flat.length);
        const result = await shard.addGradient(flat, given, gradient);
        const loss = result.rows.reduce((sum, row, i) => sum + row * expected.inputs.weight[i], 0);
        t.ok(relativeError([loss], expected.values('out.loss')) < 1e-5, `loss ${loss}`);
        if (expected.spec.head === 'last') {
          t.ok(relativeError(result.predictions, expected.values('out.logits')) < 1e-5, 'logits');
        }
        const views = shard.layout.views(gradient);
        for (const parameter of Object.keys(views)) {
          const value = expected.values(`grad.${parameter}`);
          if (value.some(v => v !== 0)) {
            const error = relativeError(views[parameter], value);
            t.ok(error < 1e-4, `gradient of ${parameter}: ${error}`);
          } else
            t.ok(
              views[parameter].every(v => v === 0),
              `${parameter} has no gradient`,
            );
        }
        const evaluated = await shard.evaluate(flat, given);
        t.ok(
          relativeError(evaluated.predictions, result.predictions) < 1e-6,
          'evaluation gives the same predictions',
        );
      });

      for (const optimizerName of Object.keys(expected.optimizers).filter(key => key in OPTIMIZERS)) {
        await t.test(`${name}: 10 steps of ${optimizerName}`, async t => {
          const flat = initial(shard, expected);
          const [optimizer, settings, learningRate] = OPTIMIZERS[optimizerName];
          const updater = Updater.create(engine, optimizer, settings as never, shard.layout.size);
          for (let step = 1; step <= 10; step++) {
            const gradient = new Float32Array(flat.length);
            await shard.addGradient(flat, expected.inputs as never, gradient);
            const scale = clipFactor(gradientNorm(gradient), expected.clip ?? undefined);
            await updater.apply(flat, gradient, { step, learningRate, scale });
            if (step !== 1 && step !== 10) continue;
            for (const [parameter, view] of Object.entries(shard.layout.views(flat))) {
              const error = relativeError(view, expected.values(`${optimizerName}.step${step}.${parameter}`));
              t.ok(error < 1e-4, `${parameter} after step ${step}: ${error}`);
            }
          }
        });
      }
    }
  });
}
