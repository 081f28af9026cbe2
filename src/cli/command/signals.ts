/**
 * Stops a run on a signal: the first stops it so that it can be resumed, the second ends the
 * process at once, as does the first while the program loads. This file must not import other parts
 * of the program.
 */
import { writeSync } from 'node:fs';
import type { Io } from '../terminal/io.js';

/** SIGHUP: the terminal was closed, or the connection lost. */
export const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** `EXIT.interrupted`, repeated since this file imports nothing. */
const INTERRUPTED = 130;

export function stopAtOnce(name: NodeJS.Signals): void {
  endAtOnce(name, '');
}

/** @param hint more lines to print, each with a newline */
function endAtOnce(name: NodeJS.Signals, hint: string): never {
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
