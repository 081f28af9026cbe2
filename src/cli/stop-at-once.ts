/** What a signal does where there is nothing to bring to its end: the program stops, with the exit code that says so. It loads nothing of the program. */
import { writeSync } from 'node:fs';

/** SIGHUP is a closed terminal or a lost connection. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Exit code `interrupted`; restated, since nothing is loaded before this. */
const INTERRUPTED = 130;

export function stopAtOnce(name: NodeJS.Signals): void {
  try {
    writeSync(2, `cellrun: ${name}: stopped\n`);
  } finally {
    process.exit(INTERRUPTED);
  }
}
