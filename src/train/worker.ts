/** Worker thread that computes shards and measures its own speed. */
import { parentPort, workerData } from 'node:worker_threads';
import { Heap } from '../engine/heap.js';
import type { Engine } from '../engine/index.js';
import { LinkedExecutable, LinkedRuntime } from '../engine/linked-executable.js';
import { KernelMachine, LinkedMachine } from '../engine/machine.js';
import type { WorkerReply, WorkerRequest, WorkerSetup } from './pool.js';
import { openShard, ShardComputer, type ShardMemory } from './shards.js';
import { CalibrationKernel, calibrationProgram } from './timing.js';

const setup = workerData as WorkerSetup;
const heap = new Heap(setup.memory);
const parameters = heap.open(setup.parameters);
const runtime = new LinkedRuntime(heap);

interface Group {
  readonly machine: LinkedMachine | KernelMachine;
  readonly computer: ShardComputer;
  readonly slots: readonly (readonly ShardMemory[])[];
}

const groups = new Map<number, Group>();
let engine: Promise<Engine> | undefined;
let kernel: CalibrationKernel | undefined;
/** Settles when all requests so far are done. */
let last: Promise<void> = Promise.resolve();

/** Only backends without linked plans compile here: gpu.js takes time and memory to load. */
function startEngine(): Promise<Engine> {
  engine ??= import('../engine/index.js').then(({ Engine }) => Engine.start(setup.backend, { heap }));
  return engine;
}

async function calibrate({
  calibrate: plan,
}: Extract<WorkerRequest, { calibrate: unknown }>): Promise<number> {
  if (!kernel) {
    const linked = plan && new LinkedExecutable(runtime, plan);
    const executable = linked
      ? { run: async (values: Record<string, Float32Array>) => linked.run(values) }
      : (await startEngine()).compile(calibrationProgram());
    kernel = new CalibrationKernel(setup.backend, executable);
  }
  return kernel.measure();
}

/** The result of a request; undefined if it gets no reply. */
async function handle(request: WorkerRequest): Promise<number | null | undefined> {
  if ('calibrate' in request) return calibrate(request);
  if ('job' in request) {
    const machine = setup.links ? new LinkedMachine(runtime) : new KernelMachine(await startEngine());
    const slots = request.slots.map(shards => shards.map(spans => openShard(spans, heap)));
    groups.set(request.group, { machine, computer: new ShardComputer(machine, request.job), slots });
    return undefined;
  }
  const { machine, computer, slots } = groups.get(request.group) as Group;
  if ('plans' in request) {
    if (machine instanceof LinkedMachine) for (const [key, plan] of request.plans) machine.add(key, plan);
    return undefined;
  }
  for (const shard of request.shards) await computer.compute(parameters, slots[request.slot][shard]);
  return null;
}

function reply(message: WorkerReply): void {
  parentPort?.postMessage(message);
}

parentPort?.on('message', (request: WorkerRequest) => {
  // requests are handled one at a time, in order
  last = last.then(() =>
    handle(request).then(
      result => void (result !== undefined && reply({ result })),
      (error: Error) => reply({ error }),
    ),
  );
});
