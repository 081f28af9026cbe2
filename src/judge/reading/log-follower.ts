/**
 * A run's history while its log is being written. After each poll, it equals the result of
 * `readHistory`.
 */
import { type LogRecord, parseEvent } from '../../run/log/parse.js';
import { HistoryCollector, type RunHistory } from './history.js';
import { LineTail } from './line-tail.js';
import { TOO_LONG } from './log-reader.js';

export interface LogNews {
  /**
   * True if the log restarts because a resume replaced its end. `records` are then the first of the
   * log.
   */
  readonly restarted: boolean;
  readonly records: readonly LogRecord[];
  /** True if more can be read immediately. */
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
   * Reads events added since the last call, at most a megabyte unless a line is longer. Throws
   * system errors.
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

  private add(text: string | undefined): readonly LogRecord[] {
    this.line += 1;
    const parsed = text === undefined ? TOO_LONG : parseEvent(text);
    if (typeof parsed === 'string') {
      this.collector.addDamage({ line: this.line, message: parsed });
      return [];
    }
    this.collector.add(parsed);
    return [parsed];
  }
}
