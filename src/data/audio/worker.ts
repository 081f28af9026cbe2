/** Entry point of a thread of Node that computes features. */
import { answerRequests } from '../../util/thread.js';
import { computeFeatures } from './threads.js';

answerRequests(computeFeatures);
