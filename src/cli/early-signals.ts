/**
 * Listens for signals from the first moment on: the program loads for a good part of a second before a run can listen for them itself.
 * Node's own start, some 40 ms on an idle machine, comes before any code of ours.
 */
import { SIGNALS, stopAtOnce } from './stop-at-once.js';

for (const name of SIGNALS) process.on(name, stopAtOnce);
