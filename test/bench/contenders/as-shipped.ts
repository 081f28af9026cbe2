/**
 * Loaded before the contender `cellrun` (`node --import`), this makes gpu.js run its own code: an assignment to `gpu.Kernel` is
 * ignored, so plans, shards, threads and pipelines stay as they are and only the code of the kernels is the shipped one.
 * Threads inherit `--import`, and each engine that was kept from using our class says so on a channel.
 */
import { BroadcastChannel } from 'node:worker_threads';
import { gpuLibrary } from '../../../src/engine/gpu.js';
import { SHIPPED_CHANNEL } from './shipped-channel.js';

const library = gpuLibrary();
const { GPU } = library;

class ShippedGpu extends GPU {
  constructor(...settings: ConstructorParameters<typeof GPU>) {
    super(...settings);
    const { Kernel } = this as { Kernel?: unknown };
    Object.defineProperty(this, 'Kernel', { get: () => Kernel, set: announce, configurable: true });
  }
}

function announce(): void {
  const channel = new BroadcastChannel(SHIPPED_CHANNEL);
  channel.postMessage('ignored');
  channel.close();
}

Object.assign(library, { GPU: ShippedGpu });
