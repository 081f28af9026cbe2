const ESCAPE = '\u001b';
const UP = `${ESCAPE}\\[(?:\\d+)A`;
/** Cursor up, erasing, an unknown sequence, a character. */
const PIECE = new RegExp(`${ESCAPE}\\[(\\d+)A|(${ESCAPE}\\[J)|${ESCAPE}\\S*|[^]`, 'g');

/**
 * Simulates a terminal with the features that cellrun uses: lines, carriage returns, cursor up, and
 * erasing to the end.
 */
class Screen {
  private readonly lines: string[] = [''];
  private row = 0;
  private column = 0;

  /** @param columns width at which lines wrap */
  constructor(private readonly columns: number) {}

  /** Throws if there is an unknown escape sequence. */
  write(text: string): void {
    for (const [part, up, erase] of text.matchAll(PIECE)) {
      if (up !== undefined) this.row = Math.max(0, this.row - Number(up));
      else if (erase !== undefined) this.eraseBelow();
      else if (part === '\r') this.column = 0;
      else if (part === '\n') this.moveDown();
      else if (part < ' ') throw new Error(`an unknown sequence ${JSON.stringify(part)}`);
      else this.put(part);
    }
  }

  /** Lines from the top, without empty ones at the end. */
  get text(): string {
    return this.lines.join('\n').trimEnd();
  }

  private put(character: string): void {
    if (this.column === this.columns) {
      this.moveDown();
      this.column = 0;
    }
    const line = this.lines[this.row].padEnd(this.column);
    this.lines[this.row] = line.slice(0, this.column) + character + line.slice(this.column + 1);
    this.column += 1;
  }

  private moveDown(): void {
    this.row += 1;
    if (this.row === this.lines.length) this.lines.push('');
  }

  private eraseBelow(): void {
    this.lines[this.row] = this.lines[this.row].slice(0, this.column);
    this.lines.length = this.row + 1;
  }
}

/** The screen's text after each redraw. */
export function screens(output: string, columns: number): string[] {
  const screen = new Screen(columns);
  return output.split(new RegExp(`(?=${UP})`)).map(part => {
    screen.write(part);
    return screen.text;
  });
}
