/**
 * Stops a run on a signal: the first stops it so that it can be resumed, the second ends the
 * process at once.
 */
import { leaseUntil, monotonicNow } from '../../run/lock.js';
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

/** Milliseconds, enough to read messages that have already arrived. */
const UNREAD_MS = 50;

/**
 * Calls `gone` when the sweep that started this trial ends. The channel between them closes then,
 * even if the sweep was killed. Listening does not keep the process alive.
 */
function watchParent(gone: () => void): () => void {
  // the sweep may have ended while this program was loading
  if (process.connected === false) gone();
  if (!process.channel) return () => {};
  let timer: NodeJS.Timeout | undefined;
  const after = (milliseconds: number, then: () => void) => {
    clearTimeout(timer);
    timer = setTimeout(then, milliseconds);
    timer.unref();
  };
  const listener = (message: unknown) => {
    const lease = leaseIn(message);
    if (lease === undefined) return;
    leaseUntil(lease.end);
    // A stopped worker sends nothing. If this thread was busy until now, timers run before
    // messages: a renewal that is still unread sets the timer again.
    after(Math.max(0, lease.interrupt - monotonicNow()), () => after(UNREAD_MS, gone));
  };
  process.on('disconnect', gone);
  process.on('message', listener);
  process.channel.unref();
  return () => {
    clearTimeout(timer);
    process.off('disconnect', gone);
    process.off('message', listener);
  };
}

/** The lease that a queue's worker renews with each message (`sweep/launchers/worker.ts`). */
function leaseIn(message: unknown): { readonly interrupt: number; readonly end: number } | undefined {
  const { lease } = (message ?? {}) as { lease?: { interrupt?: unknown; end?: unknown } };
  const { interrupt, end } = lease ?? {};
  return typeof interrupt === 'number' && typeof end === 'number' ? { interrupt, end } : undefined;
}
