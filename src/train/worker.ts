/** Thread that computes shards and measures its own speed. */
import { parentPort, workerData } from 'node:worker_threads';
import { Heap } from '../engine/heap.js';
import type { Engine } from '../engine/index.js';
import { LinkedRuntime } from '../engine/linked-executable.js';
import { type ShardRequest, ShardServer, type ThreadReply, type ThreadSetup } from './shards.js';

const { backend, links, memory, parameters } = workerData as ThreadSetup;
const heap = new Heap(memory);
const runtime = LinkedRuntime.ofHeap(heap);
let engine: Promise<Engine> | undefined;

/** Only backends without linked plans compile here: gpu.js takes time and memory to load. */
function startEngine(): Promise<Engine> {
  engine ??= import('../engine/index.js').then(({ Engine }) => Engine.start(backend, { heap }));
  return engine;
}

const server = new ShardServer(backend, runtime, heap.adopt(parameters), async () =>
  links ? { heap, arrays: runtime.arrays, compile: unsent } : startEngine(),
);

function unsent(): never {
  throw new Error('a program was not sent to this thread');
}

parentPort?.on('message', async (request: ShardRequest) => {
  const reply: ThreadReply = await server.handle(request).then(
    result => ({ result }),
    (error: Error) => ({ error }),
  );
  parentPort?.postMessage(reply);
});
