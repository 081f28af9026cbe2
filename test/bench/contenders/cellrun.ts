/**
 * Our contender: the program's own engine, shards and threads, called as training and evaluation
 * call them. The same file is the contender `gpu.js` when as-shipped.ts is loaded before it and the
 * second argument says so.
 *
 * node cellrun.js THREADS ours|shipped
 */
import { setTimeout } from 'node:timers/promises';
import { BroadcastChannel } from 'node:worker_threads';
import { EXECUTORS } from '../../../src/engine/executable.js';
import { Engine } from '../../../src/engine/index.js';
import type { ExecutionReport } from '../../../src/engine/machine.js';
import { versions } from '../../../src/run/manifest.js';
import { RandomStream } from '../../../src/util/random.js';
import { type BenchCase, MODELS } from '../cases.js';
import { answerRequests, type Workload } from './answer.js';
import { LEARNING_RATE, openTrainer, randomSplit } from './model.js';
import { kernelWork } from './programs.js';
import { SHIPPED_CHANNEL } from './shipped-channel.js';

/** What engines tell through the channel has arrived by then. */
const DELIVERY_MS = 20;

const threads = Number(process.argv[2]);
const shipped = process.argv[3] === 'shipped';
let kept = 0;
const channel = new BroadcastChannel(SHIPPED_CHANNEL);
channel.onmessage = () => {
  kept++;
};
// a channel that listens would keep the process
channel.unref();

/**
 * A benchmark must measure what it says: our class without fallbacks, or gpu.js's own in every
 * engine.
 */
async function verify({ executor, fallbacks }: ExecutionReport, engines: number): Promise<void> {
  await setTimeout(DELIVERY_MS);
  if (executor !== EXECUTORS.webasm) throw new Error(`ran as ${executor}`);
  if (fallbacks.length > 0) throw new Error(`fell back to gpu.js's own code: ${fallbacks[0].reason}`);
  if (shipped && kept < engines) throw new Error(`${kept} of ${engines} engines ran gpu.js's own code`);
  if (!shipped && kept > 0) throw new Error("an engine ran gpu.js's own code");
}

async function openModel(one: BenchCase): Promise<Workload> {
  kept = 0;
  const split = randomSplit(one);
  const trainer = await openTrainer(one, split, threads);
  const close = () => trainer.close();
  if (one.benchmark === 'train_step') {
    const random = RandomStream.of(0, 'bench/order');
    const indices = Uint32Array.from({ length: one.batch_size }, (_, i) => i);
    let step = 0;
    // as the training loop does: the next batch is written while the step runs
    let next = await trainer.prepare(random.shuffle(indices), 1, true);
    const call = async () => {
      const done = trainer.step(next, ++step, LEARNING_RATE);
      const coming = trainer.prepare(random.shuffle(indices), step + 1, false);
      await done;
      next = await coming;
    };
    return { call, verify: () => verify(trainer.execution, 2), close };
  }
  const evaluator = trainer.evaluator(one.batch_size);
  const call = async () => {
    await evaluator.evaluate(split);
  };
  return { call, verify: () => verify(evaluator.execution, 2), close };
}

async function openKernels(one: BenchCase): Promise<Workload> {
  kept = 0;
  const engine = await Engine.start('webasm');
  const { program, values } = kernelWork(one);
  const executable = engine.compile(program);
  const call = async () => {
    await executable.run(values);
  };
  const report = () => ({ executor: EXECUTORS.webasm, fallbacks: engine.fallbacks });
  return { call, verify: () => verify(report(), 1), close: () => engine.close() };
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
