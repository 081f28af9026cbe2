/**
 * Our contender: the program's own engine, shards and threads, called as training and evaluation
 * call them. The same file is the contender `gpu.js` with that backend: gpu.js as it is shipped.
 *
 * node cellrun.js THREADS [BACKEND]
 */
import type { Backend } from '../../../src/engine/backend-names.js';
import { Engine } from '../../../src/engine/index.js';
import { versions } from '../../../src/run/manifest.js';
import { evaluationRows } from '../../../src/train/evaluator.js';
import { RandomStream } from '../../../src/util/random.js';
import { type BenchCase, MODELS } from '../cases.js';
import { answerRequests, type Workload } from './answer.js';
import { LEARNING_RATE, modelRun, openTrainer, randomSplit } from './model.js';
import { kernelWork } from './programs.js';

const threads = Number(process.argv[2]);
const backend = (process.argv[3] ?? 'webasm') as Backend;

async function openModel(one: BenchCase): Promise<Workload> {
  const split = await randomSplit(one);
  const run = { ...modelRun(one, split, threads), backend };
  const trainer = await openTrainer(one, split, run);
  const close = () => trainer.close();
  if (one.benchmark === 'train_step') {
    const random = RandomStream.of(0, 'bench/order');
    const draw = () => Uint32Array.from({ length: one.batch_size }, () => random.integer(split.count));
    let step = 0;
    let next = await trainer.prepare(draw(), 1, true);
    const call = async () => {
      const done = trainer.step(next, ++step, LEARNING_RATE);
      const coming = trainer.prepare(draw(), step + 1, false);
      await done;
      next = await coming;
    };
    return { call, close };
  }
  const evaluator = trainer.evaluator(evaluationRows(run, one, one.sequences));
  const call = async () => {
    await evaluator.evaluate(split);
  };
  return { call, close };
}

async function openKernels(one: BenchCase): Promise<Workload> {
  const engine = await Engine.start('webasm');
  const { program, values } = kernelWork(one);
  const executable = engine.compile(program);
  const call = async () => {
    await executable.run(values);
  };
  return { call, close: () => engine.close() };
}

const hello = {
  versions: versions() as unknown as Record<string, string>,
  threads,
  models: Object.keys(MODELS),
};
await answerRequests(hello, one =>
  one.benchmark === 'matmul' || one.benchmark === 'gates' ? openKernels(one) : openModel(one),
);
process.exit();
