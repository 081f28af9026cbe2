/**
 * Loaded before the contender `cellrun` (`node --import`, which threads inherit): gpu.js runs its
 * own code in its own pipelines; plans, shards and threads stay as they are.
 */
import { Engine } from '../../../src/engine/index.js';

Engine.asShipped = true;
