const MAX_WORST = 24;

/** Keeps the few worst items. */
export class Worst<T> {
  /** Worst first; ties in order of arrival. */
  private readonly kept: { readonly badness: number; readonly item: T }[] = [];

  constructor(private readonly most = MAX_WORST) {}

  /** Calls `make` if the item is among the worst so far. NaN is worse than infinity. */
  offer(badness: number, make: () => T): void {
    const worse = (a: number, b: number) => (Number.isNaN(a) ? !Number.isNaN(b) : a > b);
    const { kept, most } = this;
    if (kept.length === most && !worse(badness, kept[most - 1].badness)) return;
    const at = kept.findIndex(other => worse(badness, other.badness));
    kept.splice(at < 0 ? kept.length : at, 0, { badness, item: make() });
    if (kept.length > most) kept.pop();
  }

  get items(): readonly T[] {
    return this.kept.map(({ item }) => item);
  }
}
