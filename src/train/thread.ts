/** What a thread does that computes shards and measures its own speed. */
import { Heap } from '../engine/heap.js';
import type { Engine } from '../engine/index.js';
import { LinkedRuntime } from '../engine/linked-executable.js';
import { type ShardRequest, ShardServer, type ThreadSetup } from './shards.js';

export function computeShards({ backend, links, memory, parameters }: ThreadSetup) {
  const heap = new Heap(memory);
  const runtime = LinkedRuntime.ofHeap(heap);
  let engine: Promise<Engine> | undefined;

  /** Only backends without linked plans compile here: gpu.js takes time and memory to load. */
  const startEngine = (): Promise<Engine> => {
    engine ??= import('../engine/index.js').then(({ Engine }) => Engine.start(backend, { heap }));
    return engine;
  };
  const server = new ShardServer(backend, runtime, heap.adopt(parameters), async () =>
    links ? { heap, arrays: runtime.arrays, compile: unsent } : startEngine(),
  );
  return (request: ShardRequest) => server.handle(request);
}

function unsent(): never {
  throw new Error('a program was not sent to this thread');
}
