/** Stopping a run from outside: the first SIGINT or SIGTERM asks for it, the second ends the process at once. */
import type { Io } from './io.js';
import { endAtOnce, takeSignals } from './stop-at-once.js';

/** @param hint what is to be said where the process ends at once, lines with their ends; it is asked for only then */
export function onStopSignal(
  io: Pick<Io, 'err' | 'interactive'>,
  hint: () => string = () => '',
): {
  readonly signal: AbortSignal;
  release(): void;
} {
  const controller = new AbortController();
  const listener = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) endAtOnce(name, hint());
    io.err(
      `${io.interactive ? '\n' : ''}${name}: stopping after the step or batch under way; once more stops at once\n`,
    );
    controller.abort();
  };
  const giveBack = takeSignals(listener);
  const orphaned = () => controller.abort();
  watchStarter(orphaned);
  return {
    signal: controller.signal,
    release: () => {
      giveBack();
      process.off('disconnect', orphaned);
    },
  };
}

/**
 * A sweep keeps a channel to each of its trials, which closes with the sweep's process however that ends: nobody is left to go on for.
 * Listening must not keep the process alive.
 */
function watchStarter(gone: () => void): void {
  // it may have ended while this program was being loaded
  if (process.connected === false) gone();
  if (!process.channel) return;
  process.on('disconnect', gone);
  process.channel.unref();
}
