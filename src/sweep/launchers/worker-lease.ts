/**
 * Leases of a worker's jobs. A worker renews the lock on its job while it lives; if the lock
 * expires, another worker may start the job. By then no process of this worker may still write,
 * even if the worker was only cut off from the queue or suspended. Each renewal therefore sends the
 * process of the job the time until which it may write (`run/locks/ownership.ts`).
 */
import { monotonicNow } from '../../run/locks/ownership.js';
import type { TaskLease } from '../launcher.js';
import type { StopRequest } from './queue-job.js';

/**
 * Fractions of the lease without a renewal. A connected worker renews after half of it at the
 * latest.
 */
const INTERRUPT_AFTER = 0.65;
/**
 * For the process whose worker is suspended and cannot stop it. Later than INTERRUPT_AFTER, since a
 * second signal would end the process before it has saved.
 */
const STOPS_BY_ITSELF_AFTER = 0.75;
const KILL_AFTER = 0.85;
/** Checks per lease. */
const CHECKS = 20;

interface Lease {
  renewed: number;
  requested?: StopRequest;
  readonly stop: (how: StopRequest) => void;
  /** Sends the process the times at which it must stop, even if this worker is suspended. */
  readonly notify: (lease: TaskLease) => void;
}

export class Leases {
  private readonly running = new Map<string, Lease>();
  private readonly timer: NodeJS.Timeout;

  /**
   * @param duration of a lock in milliseconds
   * @param now a monotonic clock in milliseconds
   */
  constructor(
    private readonly duration: number,
    private readonly now: () => number = monotonicNow,
  ) {
    this.timer = setInterval(() => this.check(), duration / CHECKS);
  }

  start(id: string, stop: Lease['stop'], notify: Lease['notify'] = () => {}): void {
    this.running.set(id, { renewed: this.now(), stop, notify });
    this.renewed([id]);
  }

  renewed(ids: readonly string[]): void {
    for (const id of ids) {
      const lease = this.running.get(id);
      if (lease === undefined) continue;
      // its process has stopped by itself, or is about to
      if (this.elapsedShare(lease) >= INTERRUPT_AFTER) this.request(lease, 'interrupt');
      lease.renewed = this.now();
      const after = (share: number) => lease.renewed + share * this.duration;
      lease.notify({ interrupt: after(STOPS_BY_ITSELF_AFTER), end: after(KILL_AFTER) });
    }
  }

  /** Another worker holds the lock, or the job is gone. */
  lost(ids: readonly string[]): void {
    for (const id of ids) this.request(this.running.get(id), 'kill');
  }

  /**
   * Ends a lease. Returns whether the process was asked to stop, or has passed the time to stop by
   * itself.
   */
  end(id: string): boolean {
    const lease = this.running.get(id);
    this.running.delete(id);
    return (
      lease !== undefined && (lease.requested !== undefined || this.elapsedShare(lease) >= INTERRUPT_AFTER)
    );
  }

  close(): void {
    clearInterval(this.timer);
  }

  private check(): void {
    for (const lease of this.running.values()) {
      const share = this.elapsedShare(lease);
      if (share > KILL_AFTER) this.request(lease, 'kill');
      else if (share > INTERRUPT_AFTER) this.request(lease, 'interrupt');
    }
  }

  private elapsedShare({ renewed }: Lease): number {
    return (this.now() - renewed) / this.duration;
  }

  private request(lease: Lease | undefined, how: StopRequest): void {
    if (lease === undefined || lease.requested === 'kill' || lease.requested === how) return;
    lease.requested = how;
    lease.stop(how);
  }
}
