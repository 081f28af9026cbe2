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

const groups = new Map<number, Promise<Group>>();
let engine: Promise<Engine> | undefined;
let kernel: CalibrationKernel | undefined;
/** Settles when all requests so far are done. */
let last: Promise<void> = Promise.resolve();

/** Only backends without linked plans compile here: gpu.js takes time and memory to load. */
function startEngine(): Promise<Engine> {
  engine ??= import('../engine/index.js').then(({ Engine }) => Engine.start(setup.backend, { heap }));
  return engine;
}

async function open({ job, slots }: Extract<WorkerRequest, { job: unknown }>): Promise<Group> {
  const machine = setup.links ? new LinkedMachine(runtime) : new KernelMachine(await startEngine());
  return {
    machine,
    computer: new ShardComputer(machine, job),
    slots: slots.map(shards => shards.map(spans => openShard(spans, heap))),
  };
}

async function groupOf(group: number): Promise<Group> {
  const found = groups.get(group);
  if (!found) throw new Error(`group ${group} is not set up`);
  return found;
}

async function compute(group: number, slot: number, shards: readonly number[]): Promise<void> {
  const { computer, slots } = await groupOf(group);
  for (const shard of shards) await computer.compute(parameters, slots[slot][shard]);
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

async function handle(request: WorkerRequest): Promise<number | null | undefined> {
  if ('job' in request) {
    groups.set(request.group, open(request));
    return undefined;
  }
  if ('plans' in request) {
    const { machine } = await groupOf(request.group);
    if (machine instanceof LinkedMachine) for (const [key, plan] of request.plans) machine.add(key, plan);
    return undefined;
  }
  if ('calibrate' in request) return calibrate(request);
  await compute(request.group, request.slot, request.shards);
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
