/**
 * Stops a run on a signal: the first stops it so that it can be resumed, the second ends the
 * process at once.
 */
import type { Io } from '../terminal/io.js';
import { endAtOnce, takeSignals } from './stop-at-once.js';

/** @param hint returns more lines to print if the process ends at once, each with a newline */
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
      `${io.interactive ? '\n' : ''}${name}: stopping after the current step or batch; press Ctrl-C again to quit immediately\n`,
    );
    controller.abort();
  };
  const giveBack = takeSignals(listener);
  const forget = watchParent(() => controller.abort());
  return {
    signal: controller.signal,
    release: () => {
      giveBack();
      forget();
    },
  };
}

/**
 * Calls `gone` when the sweep that started this trial ends. The channel between them closes then,
 * even if the sweep was killed. Listening does not keep the process alive.
 */
function watchParent(gone: () => void): () => void {
  // the sweep may have ended while this program was loading
  if (process.connected === false) gone();
  if (!process.channel) return () => {};
  process.on('disconnect', gone);
  process.channel.unref();
  return () => process.off('disconnect', gone);
}
