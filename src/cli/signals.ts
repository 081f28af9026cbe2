/** Stopping a run from outside: the first SIGINT or SIGTERM asks for it, the second ends the process at once. */
import { EXIT } from '../errors.js';
import type { Io } from './io.js';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export function onStopSignal(io: Io): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const listener = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    io.err(`\n${name}: stopping after this step; once more stops at once\n`);
    controller.abort();
  };
  for (const name of SIGNALS) process.on(name, listener);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of SIGNALS) process.off(name, listener);
    },
  };
}
