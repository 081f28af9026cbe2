/**
 * Loaded before the contender `cellrun` (`node --import`), this makes gpu.js run its own code in
 * its own pipelines: plans, shards and threads stay as they are. Threads inherit `--import`, and
 * each says on a channel that it was made so.
 */
import { BroadcastChannel } from 'node:worker_threads';
import { Engine } from '../../../src/engine/index.js';
import { SHIPPED_CHANNEL } from './shipped-channel.js';

Engine.asShipped = true;
const start = Engine.start;
Engine.start = async (...given) => {
  const channel = new BroadcastChannel(SHIPPED_CHANNEL);
  channel.postMessage('shipped');
  channel.close();
  return start(...given);
};
