/**
 * A worker has a job on lease: it renews its lock on it as long as it lives, and when the lock runs
 * out, another worker may begin the job. By then no process of this one may be working on it, even
 * where it was only cut off from the queue, or was stopped itself: each renewal tells the process
 * of the job until when it may write (`ownership.ts`).
 */
import { monotonicNow } from '../../experiment/locks/ownership.js';
import type { TaskLease } from '../launcher.js';
import type { StopRequest } from './queue-job.js';

/**
 * Shares of the lease without a renewal; a worker that is not cut off renews after half of it at
 * most.
 */
const INTERRUPT_AFTER = 0.65;
/**
 * A process that nobody asks, since its worker is stopped itself. A second signal would end it
 * before it has saved.
 */
const STOPS_BY_ITSELF_AFTER = 0.75;
const KILL_AFTER = 0.85;
/** Looks per lease. */
const LOOKS = 20;

interface Lease {
  renewed: number;
  asked?: StopRequest;
  readonly stop: (how: StopRequest) => void;
  /** Tells the process: it is to stop in time even where this one is stopped itself. */
  readonly tell: (lease: TaskLease) => void;
}

export class Leases {
  private readonly running = new Map<string, Lease>();
  private readonly timer: NodeJS.Timeout;

  /**
   * `duration` is that of a lock, and `now` an instant on a clock that only goes forward, in
   * milliseconds.
   */
  constructor(
    private readonly duration: number,
    private readonly now: () => number = monotonicNow,
  ) {
    this.timer = setInterval(() => this.look(), duration / LOOKS);
  }

  begin(id: string, stop: Lease['stop'], tell: Lease['tell'] = () => {}): void {
    this.running.set(id, { renewed: this.now(), stop, tell });
    this.renewed([id]);
  }

  renewed(ids: readonly string[]): void {
    for (const id of ids) {
      const lease = this.running.get(id);
      if (lease === undefined) continue;
      // its process has stopped by itself, or is about to
      if (this.share(lease) >= INTERRUPT_AFTER) this.ask(lease, 'interrupt');
      lease.renewed = this.now();
      const after = (share: number) => lease.renewed + share * this.duration;
      lease.tell({ interrupt: after(STOPS_BY_ITSELF_AFTER), end: after(KILL_AFTER) });
    }
  }

  /** The lock is somebody else's, or gone with the job. */
  lost(ids: readonly string[]): void {
    for (const id of ids) this.ask(this.running.get(id), 'kill');
  }

  /** Tells whether the process was asked to stop, or had been told to stop by itself by now. */
  end(id: string): boolean {
    const lease = this.running.get(id);
    this.running.delete(id);
    return lease !== undefined && (lease.asked !== undefined || this.share(lease) >= INTERRUPT_AFTER);
  }

  close(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    for (const lease of this.running.values()) {
      const share = this.share(lease);
      if (share > KILL_AFTER) this.ask(lease, 'kill');
      else if (share > INTERRUPT_AFTER) this.ask(lease, 'interrupt');
    }
  }

  private share({ renewed }: Lease): number {
    return (this.now() - renewed) / this.duration;
  }

  private ask(lease: Lease | undefined, how: StopRequest): void {
    if (lease === undefined || lease.asked === 'kill' || lease.asked === how) return;
    lease.asked = how;
    lease.stop(how);
  }
}
