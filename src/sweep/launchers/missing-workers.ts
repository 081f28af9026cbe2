/** Says that tasks wait and nobody takes them: soon after they have begun to, then seldom. */
import type { Queue } from 'bullmq';
import type { QueueAddress } from './queue-connection.js';

/** Between two warnings. */
const EVERY_MS = 600_000;

export class MissingWorkers {
  /** On the clock of `performance`. */
  private told = Number.NEGATIVE_INFINITY;
  /**
   * A server that answers slowly is asked again only when it has answered, so that two answers do
   * not say the same.
   */
  private isLooking = false;

  /** `folder` is what the sweep's runs are in, the same on all machines. */
  constructor(
    private readonly address: QueueAddress,
    private readonly folder: string,
    private readonly warn: (text: string) => void,
  ) {}

  /** Rejects where the server is gone. */
  async look(queue: Pick<Queue, 'getWorkersCount'>): Promise<void> {
    if (this.isLooking || performance.now() - this.told < EVERY_MS) return;
    this.isLooking = true;
    try {
      if ((await queue.getWorkersCount()) > 0) return;
    } finally {
      this.isLooking = false;
    }
    this.told = performance.now();
    const { shown, argument } = this.address;
    this.warn(
      `tasks wait in ${shown}, which has no worker; start one with: cellrun worker --queue '${argument}' --root '${this.folder}'`,
    );
  }
}
