/** Lines at the end of a terminal that are redrawn in place. */
import type { Io } from './io.js';

const SIZE = { columns: 80, rows: 24 };

export class Block {
  private drawn: readonly string[] = [];

  constructor(private readonly io: Pick<Io, 'err' | 'columns' | 'rows'>) {}

  /** Usable columns: after the last one, some terminals start a new line. */
  get width(): number {
    return (this.io.columns ?? SIZE.columns) - 1;
  }

  /** Replaces the block in one write, so that it does not flicker. */
  draw(lines: readonly string[]): void {
    // the cursor is below the block and cannot return to lines that scrolled off the screen
    const max = Math.max(1, (this.io.rows ?? SIZE.rows) - 1);
    const shown = lines.slice(0, max).map(line => line.slice(0, this.width));
    if (shown.join('\n') === this.drawn.join('\n')) return;
    this.io.err(`${this.erasure}${shown.map(line => `${line}\n`).join('')}`);
    this.drawn = shown;
  }

  /** Writes a line above the block, which returns with the next `draw`. */
  line(text: string): void {
    this.io.err(`${this.erasure}${text}\n`);
    this.drawn = [];
  }

  clear(): void {
    if (this.drawn.length > 0) this.io.err(this.erasure);
    this.drawn = [];
  }

  private get erasure(): string {
    if (this.drawn.length === 0) return '';
    // lines wrap if the window was narrowed
    const columns = this.io.columns ?? SIZE.columns;
    const height = this.drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
    return `\u001b[${height}A\r\u001b[J`;
  }
}
