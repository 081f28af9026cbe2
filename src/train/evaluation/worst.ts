/** Keeps the few things with the greatest badness. */

interface Ranked<T> {
  readonly badness: number;
  readonly thing: T;
}

export class Worst<T> {
  /** Worst first; ties in order of arrival. */
  private readonly kept: Ranked<T>[] = [];

  constructor(private readonly most: number) {}

  /** Calls `make` if the thing is among the worst so far. NaN is worse than infinity. */
  offer(badness: number, make: () => T): void {
    const worse = (a: number, b: number) => (Number.isNaN(a) ? !Number.isNaN(b) : a > b);
    const { kept, most } = this;
    if (kept.length === most && !worse(badness, kept[most - 1].badness)) return;
    const at = kept.findIndex(other => worse(badness, other.badness));
    kept.splice(at < 0 ? kept.length : at, 0, { badness, thing: make() });
    if (kept.length > most) kept.pop();
  }

  get things(): readonly T[] {
    return this.kept.map(({ thing }) => thing);
  }
}
