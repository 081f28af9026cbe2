/**
 * A run's history while its log is still being written: at every moment what `readHistory` would
 * give.
 */

import { type LogRecord, parseEvent } from '../../experiment/log/parse.js';
import { HistoryCollector, type RunHistory } from './history.js';
import { LineTail } from './line-tail.js';

export interface LogNews {
  /**
   * Whether the log begins anew, since a resume replaced its end: `records` are then the first of
   * it.
   */
  readonly restarted: boolean;
  readonly records: readonly LogRecord[];
  /** Whether more can be taken in at once. */
  readonly more: boolean;
}

export class LogFollower {
  private readonly tail: LineTail;
  private collector: HistoryCollector;
  private line = 0;

  /** @param capacity see `HistoryCollector` */
  constructor(
    path: string,
    private readonly capacity: number,
  ) {
    this.tail = new LineTail(path);
    this.collector = new HistoryCollector(capacity);
  }

  /**
   * Takes in what has come since the last call, a megabyte at most. Throws what the system refuses.
   */
  poll(): LogNews {
    const { restarted, lines, more } = this.tail.read();
    if (restarted) {
      this.collector = new HistoryCollector(this.capacity);
      this.line = 0;
    }
    return { restarted, records: lines.flatMap(text => this.add(text)), more };
  }

  get history(): RunHistory {
    return this.collector.history;
  }

  /** See `HistoryCollector`. */
  get seconds(): number {
    return this.collector.seconds;
  }

  close(): void {
    this.tail.close();
  }

  private add(text: string): readonly LogRecord[] {
    this.line += 1;
    const parsed = parseEvent(text);
    if (typeof parsed === 'string') {
      this.collector.addDamage({ line: this.line, message: parsed });
      return [];
    }
    this.collector.add(parsed);
    return [parsed];
  }
}
