/** The thread that computes shards: it compiles each group's job once, computes the shards that it is told, and measures how fast it is. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Backend } from '../engine/backend.js';
import { Engine } from '../engine/index.js';
import { CalibrationKernel } from './calibration-kernel.js';
import { ShardComputer, type ShardGroup, type ShardJob, type ShardReport } from './shards.js';
import type { WorkerReply, WorkerRequest } from './thread-pool.js';

const parameters = workerData as Float32Array;
const groups = new Map<number, { computer: Promise<ShardComputer>; slots: ShardGroup['slots'] }>();
let engine: Promise<Engine> | undefined;
let kernel: Promise<CalibrationKernel> | undefined;
/** Settled when everything asked for so far is computed. */
let last: Promise<void> = Promise.resolve();

function startEngine(backend: Backend): Promise<Engine> {
  engine ??= Engine.start(backend);
  return engine;
}

async function compute(group: number, slot: number, shards: readonly number[]): Promise<ShardReport> {
  const found = groups.get(group);
  if (!found) throw new Error(`group ${group} is not set up`);
  const computer = await found.computer;
  let report: ShardReport = { executor: null, fallbacks: [] };
  for (const shard of shards) report = await computer.compute(parameters, found.slots[slot][shard]);
  return report;
}

async function calibrate(backend: Backend): Promise<number> {
  kernel ??= startEngine(backend).then(one => new CalibrationKernel(one));
  return (await kernel).measure();
}

function reply(message: WorkerReply): void {
  parentPort?.postMessage(message);
}

function answer(request: Exclude<WorkerRequest, { job: ShardJob }>): Promise<ShardReport | number> {
  if ('calibrate' in request) return calibrate(request.calibrate);
  return compute(request.group, request.slot, request.shards);
}

parentPort?.on('message', (request: WorkerRequest) => {
  if ('job' in request) {
    const { group, job, slots } = request;
    groups.set(group, {
      computer: startEngine(job.backend).then(one => new ShardComputer(one, job)),
      slots,
    });
    return;
  }
  // one after the other, in the order in which they are asked for
  last = last.then(() =>
    answer(request).then(
      answer => reply({ answer }),
      (error: Error) => reply({ error }),
    ),
  );
});
