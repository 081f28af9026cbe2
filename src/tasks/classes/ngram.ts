/**
 * Counts of symbols after symbols, and the n-gram of order 3 that follows from them: probabilities
 * of a symbol w after a history h, smoothed by Witten and Bell (1991) in the interpolated form of
 * Chen and Goodman (1998). With n(h) occurrences of h, d(h) different symbols after it, and h' the
 * history without its first symbol:
 *
 *     p(w | h) = (n(h w) + d(h) p(w | h')) / (n(h) + d(h)),    1 / V after the empty history
 */

/**
 * Maximum different n-grams of each order, so that memory is bounded: those that first occur later
 * are not counted.
 */
const MAX_NGRAMS = 2 ** 19;

/** Occurrences of symbols after contexts, which are numbers. */
export class ContextCounts {
  private readonly entries = new Map<number, number>();
  readonly counts: number[] = [];
  /** Sum of all counts, and number of different symbols, by context. */
  private readonly totals = new Map<number, number>();
  private readonly kinds = new Map<number, number>();

  /** @param symbols number of symbols */
  constructor(private readonly symbols: number) {}

  /** Returns the number of the pair; -1 if it is not counted. */
  add(context: number, symbol: number): number {
    let entry = this.find(context, symbol);
    if (entry < 0) {
      if (this.counts.length === MAX_NGRAMS) return -1;
      entry = this.counts.push(0) - 1;
      this.entries.set(context * this.symbols + symbol, entry);
      this.kinds.set(context, (this.kinds.get(context) ?? 0) + 1);
    }
    this.counts[entry]++;
    this.totals.set(context, (this.totals.get(context) ?? 0) + 1);
    return entry;
  }

  find(context: number, symbol: number): number {
    return this.entries.get(context * this.symbols + symbol) ?? -1;
  }

  /** @param shorter the probability of the symbol after the shorter history */
  probability(context: number, symbol: number, shorter: number): number {
    const kinds = this.kinds.get(context) ?? 0;
    if (kinds === 0) return shorter;
    const count = this.counts[this.find(context, symbol)] ?? 0;
    return (count + kinds * shorter) / ((this.totals.get(context) ?? 0) + kinds);
  }

  /** The symbol with the largest value after each context; the first of equal ones. */
  largest(score: (context: number, symbol: number, entry: number) => number): Map<number, number> {
    const found = new Map<number, { readonly symbol: number; readonly value: number }>();
    for (const [key, entry] of this.entries) {
      const symbol = key % this.symbols;
      const context = (key - symbol) / this.symbols;
      const value = score(context, symbol, entry);
      const before = found.get(context);
      if (before === undefined || value > before.value || (value === before.value && symbol < before.symbol))
        found.set(context, { symbol, value });
    }
    return new Map(Array.from(found, ([context, { symbol }]) => [context, symbol]));
  }
}

/** The only context of symbols without a history. */
const NONE = 0;

export class Trigrams {
  private readonly single: ContextCounts;
  private readonly pairs: ContextCounts;
  /** A context is the number of a pair. */
  private readonly triples: ContextCounts;
  /** The most probable symbol after each history; known after `end`. */
  private best = { single: 0, pairs: new Map<number, number>(), triples: new Map<number, number>() };

  /** @param symbols V */
  constructor(private readonly symbols: number) {
    this.single = new ContextCounts(symbols);
    this.pairs = new ContextCounts(symbols);
    this.triples = new ContextCounts(symbols);
  }

  /** Counts the symbols of a text; `next[i]` is the symbol after `text[i]`. */
  add(text: ArrayLike<number>, next: Int32Array): void {
    let pair = -1;
    next.forEach((symbol, step) => {
      this.single.add(NONE, symbol);
      if (pair >= 0) this.triples.add(pair, symbol);
      pair = this.pairs.add(text[step], symbol);
    });
  }

  /** Call once all texts are counted. */
  end(): void {
    const { single, pairs, triples } = this;
    const first = single.largest((_, symbol) => this.ofSingle(symbol)).get(NONE) ?? 0;
    this.best.single = first;
    // a symbol that does not occur after a history is at most as probable as the shorter one's best
    this.best.pairs = pairs.largest((last, symbol) => this.ofPair(last, symbol));
    for (const [last, symbol] of this.best.pairs)
      if (this.ofPair(last, first) > this.ofPair(last, symbol)) this.best.pairs.set(last, first);
    const lastOf = new Map<number, number>();
    pairs.largest((_, symbol, entry) => {
      lastOf.set(entry, symbol);
      return 0;
    });
    const ofTriple = (pair: number, symbol: number) => this.ofTriple(pair, lastOf.get(pair) ?? 0, symbol);
    this.best.triples = triples.largest(ofTriple);
    for (const [pair, symbol] of this.best.triples) {
      const shorter = this.best.pairs.get(lastOf.get(pair) ?? 0) ?? first;
      if (ofTriple(pair, shorter) > ofTriple(pair, symbol)) this.best.triples.set(pair, shorter);
    }
  }

  /** @param before the symbol before `last`; undefined at the start of a text */
  probability(before: number | undefined, last: number, symbol: number): number {
    return this.ofTriple(this.pairOf(before, last), last, symbol);
  }

  /** The most probable next symbol. */
  predict(before: number | undefined, last: number): number {
    const { best } = this;
    return best.triples.get(this.pairOf(before, last)) ?? best.pairs.get(last) ?? best.single;
  }

  private pairOf(before: number | undefined, last: number): number {
    return before === undefined ? -1 : this.pairs.find(before, last);
  }

  private ofSingle(symbol: number): number {
    return this.single.probability(NONE, symbol, 1 / this.symbols);
  }

  private ofPair(last: number, symbol: number): number {
    return this.pairs.probability(last, symbol, this.ofSingle(symbol));
  }

  private ofTriple(pair: number, last: number, symbol: number): number {
    return this.triples.probability(pair, symbol, this.ofPair(last, symbol));
  }
}
