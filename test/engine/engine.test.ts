/**
 * Every backend that this machine has, against PyTorch's float64 values: logits, loss, gradients,
 * ten optimizer steps.
 */
import t from 'tap';
import type { OptimizerConfig } from '../../src/config/index.js';
import type { Backend } from '../../src/engine/backend-names.js';
import { Engine } from '../../src/engine/index.js';
import { KernelMachine } from '../../src/engine/linked-executable.js';
import { makePlan } from '../../src/engine/plan.js';
import type { Node, Program } from '../../src/math/graph/node.js';
import { predictsEachStep } from '../../src/math/model/heads.js';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import { optimizerOf } from '../../src/math/optimizers/index.js';
import { passOn, ShardComputer } from '../../src/train/shards.js';
import { createUpdater } from '../../src/train/trainer.js';
import { testedEngines } from '../support/backends.js';
import { GOLDENS, type Golden, golden, relativeError } from '../support/goldens.js';
import { isLong } from '../support/long.js';
import { batchMajor, goldenShard, initialParameters, lossOf } from '../support/shards.js';
import { placed, update } from '../support/updates.js';

/**
 * Goldens of more steps than a block of the walk has. The walk is the same for every backend, so
 * all of them run where it is fast, and at most the two with most kinds of input and target
 * elsewhere.
 */
const LONG = /(?<!facts_every|ctc)_long/;

/**
 * Those that other backends than webasm compute, unless they compute all. A driver of webgpu
 * compiles each kernel for seconds. The kernels of these have every form that others have, and need
 * few shaders.
 */
const FEW = new Set([
  'lstm_odd',
  'breadth/binary',
  'breadth/facts_alone',
  'breadth/gru_max_lengths',
  'breadth/huber',
  'breadth/label_smoothing',
  'breadth/layer_norm_lstm',
  'breadth/mae',
  'breadth/min_lstm',
  // what else a step has: all optimizers, clipping, states that are carried, a loss that is
  // computed outside the graph, a decoder
  'lstm_base',
  'lstm_clip',
  'breadth/carried',
  'sequences/ctc_lstm',
  'sequences/decoder_plain',
]);

function computes(backend: Backend, golden: string): boolean {
  if (backend === 'webasm') return true;
  return isLong ? !LONG.test(golden) : FEW.has(golden);
}

/** Which op reads which in one kernel. `ops.test` has each op alone, and what is only an index. */
function formsOf(program: Program): string[] {
  return makePlan(program).steps.flatMap(({ node, operands }) => {
    const fused = (reader: Node): string[] =>
      reader.inputs.flatMap(input => {
        if (!input.op || operands.includes(input)) return [];
        const isIndex = [reader, input].some(({ op }) => op?.kind === 'view');
        return [...(isIndex ? [] : [`${reader.op?.name} of ${input.op.name}`]), ...fused(input)];
      });
    return fused(node);
  });
}

/** Of the kernels of each golden. */
const forms = new Map<string, Set<string>>();

/** Adds the forms of all that `engine` compiles for `golden` from now on. */
function collectForms(engine: Engine, golden: string): void {
  const found = new Set<string>();
  forms.set(golden, found);
  engine.compile = program => {
    for (const form of formsOf(program)) found.add(form);
    return Engine.prototype.compile.call(engine, program);
  };
}

/** Logits [B, S, C] without those past the end of a sequence, which mean nothing. */
function withinSequences({ spec, steps, split }: Golden, logits: ArrayLike<number>): number[] {
  const { lengths } = split;
  const all = Array.from(logits);
  if (!lengths || !predictsEachStep(spec.head) || spec.decoder) return all;
  return all.filter((_, i) => {
    const at = Math.floor(i / spec.outputSize);
    return at % steps < lengths[Math.floor(at / steps)];
  });
}

/**
 * What optimizer steps show and a gradient does not. The update does not depend on the model, and
 * steps on other backends than webasm take long, so one golden of each will do there.
 */
function shownBySteps({ spec, loss, clip }: Golden, settings: OptimizerConfig): string {
  const { learning_rate: _, ...rest } = settings;
  const target = spec.decoder ? 'decoder' : loss.kind === 'ctc' && 'ctc';
  return JSON.stringify([spec.carriesState && spec.layers[0].settings.cell, clip !== null, target, rest]);
}

for (const { name, backend, width, skip } of testedEngines) {
  t.test(`backend ${name}`, { skip }, async t => {
    const shown = new Set<string>();
    const engine = await Engine.start(backend, { width });
    t.teardown(() => engine.close());
    t.afterEach(() => {
      if (engine.narrowed !== undefined) throw new Error(engine.narrowed);
    });
    const { arrays } = engine;
    for (const name of GOLDENS.filter(one => computes(backend, one))) {
      if (width === 128) collectForms(engine, name);
      const expected = golden(name);
      const { spec, batch, values } = expected;
      const layout = new ParameterLayout(spec);
      const { job, batches } = goldenShard(expected, backend, true, engine.heap);
      const [{ gradient, predictions, carried }] = batches;
      // its kernels are compiled when it first runs, once for all tests of this golden
      const computer = new ShardComputer(new KernelMachine(engine), job);
      if (!spec.carriesState) {
        await t.test(`gradient of ${name}`, async t => {
          const flat = initialParameters(expected);
          await computer.compute(flat, batches[0]);
          await arrays.read(gradient, predictions, batches[0].rows);
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
          const evaluation = goldenShard(expected, backend, false, engine.heap);
          await new ShardComputer(new KernelMachine(engine), evaluation.job).compute(
            flat,
            evaluation.batches[0],
          );
          const evaluated = evaluation.batches[0].predictions;
          t.ok(relativeError(evaluated, predictions) < 1e-6, 'an evaluation predicts the same');
        });
      }

      for (const [optimizerName, settings] of Object.entries(expected.optimizers)) {
        const inSteps = shownBySteps(expected, settings);
        if (backend !== 'webasm' && shown.has(inSteps)) continue;
        shown.add(inSteps);
        await t.test(`${name}: 10 steps of ${optimizerName}`, async t => {
          const flat = placed(engine, initialParameters(expected));
          const { kind, learning_rate: learningRate } = settings;
          const updater = createUpdater(engine, optimizerOf(settings), settings, layout.size);
          for (let step = 1; step <= 10; step++) {
            const memory = batches[(step - 1) % batches.length];
            if (memory === batches[0])
              for (const state of Object.values(carried.before)) arrays.fill(state, 0);
            await computer.compute(flat, memory);
            passOn(arrays, carried);
            const { scale } = arrays.clip(gradient, expected.clip ?? undefined);
            await update(engine, updater, [flat, gradient], { step, learningRate, scale });
          }
          await arrays.read(flat);
          for (const parameter of layout.parameters) {
            const after = values(`${optimizerName}.step10.${parameter.name}`);
            const error = relativeError(layout.read(parameter, flat), after);
            t.ok(error < (kind === 'rmsprop' ? 1e-3 : 1e-4), `${parameter.name} after 10 steps: ${error}`);
          }
        });
      }
    }
  });
}

t.test('every backend computes every form of kernel', async t => {
  const few = [...forms].filter(([name]) => FEW.has(name)).flatMap(([, found]) => [...found]);
  const missing = [...forms.values()].flatMap(found => [...found].filter(form => !few.includes(form)));
  t.same(new Set(missing), new Set());
  t.ok(new Set(few).size > 40, `${new Set(few).size} forms`);
});
