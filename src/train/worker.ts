/** Entry point of a thread of Node that computes shards. */
import { answerRequests } from '../util/thread.js';
import { computeShards } from './thread.js';

answerRequests(computeShards);
