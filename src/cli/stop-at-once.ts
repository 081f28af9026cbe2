/** What a signal does where there is nothing to bring to its end: the program stops, with the exit code that says so. It loads nothing of the program. */
import { writeSync } from 'node:fs';

/** SIGHUP is a closed terminal or a lost connection. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Exit code `interrupted`; restated, since nothing is loaded before this. */
const INTERRUPTED = 130;

export function stopAtOnce(name: NodeJS.Signals): void {
  endAtOnce(name, '');
}

/** @param hint what else is to be said, lines with their ends */
export function endAtOnce(name: NodeJS.Signals, hint: string): never {
  try {
    writeSync(2, `cellrun: ${name}: stopped\n${hint}`);
  } finally {
    // a checkpoint that is being written has not its name yet: the one before stays
    process.exit(INTERRUPTED);
  }
}

/**
 * Signals go to `listener` from now on, and no longer to `stopAtOnce`, if that was listening; gives what undoes that, which may be called
 * more than once.
 */
export function takeSignals(listener: (name: NodeJS.Signals) => void): () => void {
  const before = SIGNALS.filter(name => process.listeners(name).includes(stopAtOnce));
  for (const name of SIGNALS) process.on(name, listener).off(name, stopAtOnce);
  let isTaken = true;
  return () => {
    if (!isTaken) return;
    isTaken = false;
    for (const name of before) process.on(name, stopAtOnce);
    for (const name of SIGNALS) process.off(name, listener);
  };
}
