/** Stopping a run from outside: the first SIGINT or SIGTERM asks for it, the second ends the process at once. */
import { leaseUntil, monotonicNow } from '../experiment/locks/ownership.js';
import { endAtOnce, takeSignals } from './stop-at-once.js';
import type { Io } from './terminal/io.js';

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
  const forget = watchStarter(orphaned);
  return {
    signal: controller.signal,
    release: () => {
      giveBack();
      forget();
    },
  };
}

/** Milliseconds in which messages that have arrived are read. */
const UNREAD_MS = 50;

/**
 * A sweep keeps a channel to each of its trials, which closes with the sweep's process however that ends: nobody is left to go on for.
 * Listening must not keep the process alive.
 */
function watchStarter(gone: () => void): () => void {
  // it may have ended while this program was being loaded
  if (process.connected === false) gone();
  if (!process.channel) return () => {};
  let timer: NodeJS.Timeout | undefined;
  const after = (milliseconds: number, then: () => void) => {
    clearTimeout(timer);
    timer = setTimeout(then, milliseconds);
    timer.unref();
  };
  const told = (message: unknown) => {
    const lease = leaseIn(message);
    if (lease === undefined) return;
    leaseUntil(lease.end);
    // A worker that was itself stopped asks for nothing. If this thread was busy until now, timers
    // come before messages: a renewal that waits to be read sets the timer anew.
    after(Math.max(0, lease.interrupt - monotonicNow()), () => after(UNREAD_MS, gone));
  };
  process.on('disconnect', gone);
  process.on('message', told);
  process.channel.unref();
  return () => {
    clearTimeout(timer);
    process.off('disconnect', gone);
    process.off('message', told);
  };
}

/** What a queue's worker sends again and again (`sweep/launcher.ts`). */
function leaseIn(message: unknown): { readonly interrupt: number; readonly end: number } | undefined {
  const { lease } = (message ?? {}) as { lease?: { interrupt?: unknown; end?: unknown } };
  const { interrupt, end } = lease ?? {};
  return typeof interrupt === 'number' && typeof end === 'number' ? { interrupt, end } : undefined;
}
