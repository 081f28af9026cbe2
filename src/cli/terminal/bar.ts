/** A line on a terminal that is drawn over and over: a bar where there is room for one, and a text. */
import pico from 'picocolors';
import type { Io } from './io.js';

const REDRAW_MS = 100;
const WIDTH = 24;
/** A shorter bar says nothing. */
const MIN_WIDTH = 6;
/** Moves the cursor to the line's start and clears it. */
const CLEAR = '\r\u001b[2K';

export class Bar {
  private drawn = Number.NEGATIVE_INFINITY;

  /** `clock` gives milliseconds from any beginning. */
  constructor(
    private readonly io: Io,
    private readonly clock: () => number,
  ) {}

  /** Draws `fraction` (0..1) and the text, at most ten times a second; `describe` is called only where it is drawn. */
  draw(fraction: number, describe: () => string): void {
    const now = this.clock();
    if (now - this.drawn < REDRAW_MS) return;
    this.drawn = now;
    // A wrapped line could not be redrawn: the bar gives way to the text, and the text ends where the terminal does.
    const room = (this.io.columns ?? 80) - 1;
    const text = describe().slice(0, Math.max(0, room));
    this.io.err(`${CLEAR}${this.filled(fraction, Math.min(WIDTH, room - text.length - 1))}${text}`);
  }

  /** Writes a whole line above the bar. */
  line(text: string): void {
    this.io.err(`${CLEAR}${text}\n`);
  }

  /** Takes it away. */
  clear(): void {
    this.io.err(CLEAR);
  }

  private filled(fraction: number, width: number): string {
    if (width < MIN_WIDTH) return '';
    const colors = pico.createColors(this.io.color.err);
    const full = Math.round(Math.min(1, fraction) * width);
    return `${colors.green('━'.repeat(full))}${colors.dim('─'.repeat(width - full))} `;
  }
}
