/** The thread that computes shards: it compiles the job once and then computes the shards that it is told. */
import { parentPort, workerData } from 'node:worker_threads';
import { Engine } from '../engine/index.js';
import { ShardComputer, type ShardReport, type WorkerReply, type WorkerStart } from './shards.js';

const { job, parameters, memories } = workerData as WorkerStart;
const ready = Engine.start(job.backend).then(engine => new ShardComputer(engine, job));

async function compute(shards: readonly number[]): Promise<ShardReport> {
  const computer = await ready;
  let report: ShardReport = { executor: null, fallbacks: [] };
  for (const shard of shards) report = await computer.compute(parameters, memories[shard]);
  return report;
}

function reply(message: WorkerReply): void {
  parentPort?.postMessage(message);
}

parentPort?.on('message', (shards: readonly number[]) => {
  compute(shards).then(
    report => reply({ report }),
    (error: Error) => reply({ error }),
  );
});
