/** Warns that tasks wait and no worker runs: as soon as it is noticed, then every ten minutes. */
import type { Queue } from 'bullmq';
import type { QueueAddress } from './queue-connection.js';

/** Milliseconds between warnings. */
const EVERY_MS = 600_000;

export class MissingWorkers {
  /** When it last warned, on the clock of `performance`. */
  private lastWarning = Number.NEGATIVE_INFINITY;
  /**
   * Prevents a second query while a slow server has not answered the first, so that a warning is
   * not repeated.
   */
  private isChecking = false;

  /** @param folder of the sweep's runs, at the same path on all machines */
  constructor(
    private readonly address: QueueAddress,
    private readonly folder: string,
    private readonly warn: (text: string) => void,
  ) {}

  /** Rejects if the server is gone. */
  async check(queue: Pick<Queue, 'getWorkersCount'>): Promise<void> {
    if (this.isChecking || performance.now() - this.lastWarning < EVERY_MS) return;
    this.isChecking = true;
    try {
      if ((await queue.getWorkersCount()) > 0) return;
    } finally {
      this.isChecking = false;
    }
    this.lastWarning = performance.now();
    const { shown, argument } = this.address;
    this.warn(
      `tasks wait in ${shown}, but no worker is running; start one with: cellrun worker --queue '${argument}' --root '${this.folder}'`,
    );
  }
}
