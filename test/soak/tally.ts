/** Counts of what happened, as a note: the most frequent first. */
export class Tally {
  private readonly counts = new Map<string, number>();

  add(what: string, count = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + count);
  }

  get words(): string {
    const byCount = [...this.counts].sort(([, a], [, b]) => b - a);
    return byCount.map(([what, count]) => `${count} ${what}`).join(', ');
  }
}
