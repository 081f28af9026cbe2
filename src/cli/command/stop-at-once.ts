/** Ends the process on a signal. This file must not import other parts of the program. */
import { writeSync } from 'node:fs';

/** SIGHUP: the terminal was closed, or the connection lost. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** `EXIT.interrupted`, repeated since this file imports nothing. */
const INTERRUPTED = 130;

export function stopAtOnce(name: NodeJS.Signals): void {
  endAtOnce(name, '');
}

/** @param hint more lines to print, each with a newline */
export function endAtOnce(name: NodeJS.Signals, hint: string): never {
  try {
    writeSync(2, `cellrun: ${name}: stopped\n${hint}`);
  } finally {
    // safe: a checkpoint gets its name only when it is complete, so the previous one stays
    process.exit(INTERRUPTED);
  }
}

/**
 * Sends signals to `listener` instead of `stopAtOnce`.
 * @returns a function that restores `stopAtOnce`; calling it again does nothing
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
