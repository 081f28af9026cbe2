/** The end of a text that comes in pieces. */
const MOST = 4_000;

export class Tail {
  private kept = '';

  add(text: string): void {
    this.kept = (this.kept + text).slice(-MOST);
  }

  /** Whole lines, the first of which may be cut. */
  get text(): string {
    return this.kept.trim();
  }
}
