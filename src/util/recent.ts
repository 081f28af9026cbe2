/** A least-recently-used cache for values that are slow to compute. */
export class Recent<V> {
  private readonly values = new Map<string, V>();

  /** @param max values kept; beyond it the least recently used is dropped */
  constructor(private readonly max: number) {}

  get(key: string, make: () => V): V {
    const value = this.values.has(key) ? (this.values.get(key) as V) : make();
    // a map keeps its insertion order
    this.values.delete(key);
    this.values.set(key, value);
    const [oldest] = this.values.keys();
    if (this.values.size > this.max) this.values.delete(oldest);
    return value;
  }
}
