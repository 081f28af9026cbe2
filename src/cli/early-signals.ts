/**
 * Listens for signals from the first moment on: the program loads for a good part of a second before a run can, and for verbs that
 * keep nothing there is nothing else to do. Node's own start, some 40 ms, comes before any code of ours.
 */
import { writeSync } from 'node:fs';

/** Exit code `interrupted`; restated, since nothing is loaded before this. */
const INTERRUPTED = 130;

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    // whoever listens as well has something to bring to its end
    if (process.listenerCount(name) > 1) return;
    try {
      writeSync(2, `cellrun: ${name}: stopped\n`);
    } finally {
      process.exit(INTERRUPTED);
    }
  });
