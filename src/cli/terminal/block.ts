/** Lines at the end of a terminal that are drawn over and over. */
import type { Io } from './io.js';

/** Of a terminal that does not say. */
const SIZE = { columns: 80, rows: 24 };

export class Block {
  private drawn: readonly string[] = [];

  constructor(private readonly io: Pick<Io, 'err' | 'columns' | 'rows'>) {}

  /** Columns that a line may take: in the last one, some terminals begin another line. */
  get width(): number {
    return (this.io.columns ?? SIZE.columns) - 1;
  }

  /** What stands there is replaced in one piece, so that nothing flickers. */
  draw(lines: readonly string[]): void {
    // the cursor is below, and cannot go up to what has left the screen
    const most = Math.max(1, (this.io.rows ?? SIZE.rows) - 1);
    const shown = lines.slice(0, most).map(line => line.slice(0, this.width));
    if (shown.join('\n') === this.drawn.join('\n')) return;
    this.io.err(`${this.erasure}${shown.map(line => `${line}\n`).join('')}`);
    this.drawn = shown;
  }

  /** A whole line above; the block comes back with the next drawing. */
  line(text: string): void {
    this.io.err(`${this.erasure}${text}\n`);
    this.drawn = [];
  }

  clear(): void {
    if (this.drawn.length > 0) this.io.err(this.erasure);
    this.drawn = [];
  }

  /** Up to the block's first line, and everything from there on away. */
  private get erasure(): string {
    if (this.drawn.length === 0) return '';
    // a window that was made narrower since has folded its lines
    const columns = this.io.columns ?? SIZE.columns;
    const height = this.drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
    return `\u001b[${height}A\r\u001b[J`;
  }
}
