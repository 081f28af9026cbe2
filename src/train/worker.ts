/** Entry point of a thread of Node that computes shards. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadSetup } from './shards.js';
import { computeShards } from './thread.js';

const handle = computeShards(workerData as ThreadSetup, reply => parentPort?.postMessage(reply));
parentPort?.on('message', handle);
