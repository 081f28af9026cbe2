/** A set of texts that takes 11 to 13 bytes per text. */

/** Maximum number of texts: 54 MiB of memory. */
const MAX_SEEN = 2 ** 22;

/**
 * Number of hash tables, each with a part of the texts. A table that grows is in memory twice, so
 * there are many small ones.
 */
const TABLES = 256;

/** Maximum fraction of slots in use. */
const MAX_LOAD = 0.75;

/** Less than usual, so that little memory is unused; moving the hashes costs little. */
const GROWTH = 1.25;

/** Two 32-bit words. */
type Hash = readonly [number, number];

/**
 * A set that stores a 64-bit hash of each text, in tables with open addressing. The probability
 * that any two of four million texts collide is 1e-6. Texts beyond the first four million are not
 * added.
 */
export class SeenTexts {
  private readonly tables = Array.from({ length: TABLES }, () => new HashTable());
  private size = 0;

  has(text: string): boolean {
    const hash = hashOf(text);
    return this.tableOf(hash).has(hash);
  }

  add(text: string): void {
    if (this.size === MAX_SEEN) return;
    const hash = hashOf(text);
    if (this.tableOf(hash).add(hash)) this.size++;
  }

  private tableOf([high]: Hash): HashTable {
    return this.tables[high % TABLES];
  }
}

class HashTable {
  /** Pairs of words; 0, 0 is an empty slot. */
  private words = new Uint32Array(2 * 8);
  private size = 0;

  has(hash: Hash): boolean {
    return !this.isEmpty(this.placeOf(hash));
  }

  /** Returns whether the hash is new. */
  add(hash: Hash): boolean {
    if (this.has(hash)) return false;
    if (2 * (this.size + 1) > MAX_LOAD * this.words.length) this.grow();
    this.words.set(hash, this.placeOf(hash));
    this.size++;
    return true;
  }

  /** Index of `hash` in the table, or of an empty slot for it. */
  private placeOf([high, low]: Hash): number {
    const { words } = this;
    // in proportion to `low`: the number of slots is not a power of two
    let place = 2 * Math.floor((low / 2 ** 32) * (words.length / 2));
    while (!this.isEmpty(place) && (words[place] !== high || words[place + 1] !== low))
      place = (place + 2) % words.length;
    return place;
  }

  private isEmpty(place: number): boolean {
    return this.words[place] === 0 && this.words[place + 1] === 0;
  }

  private grow(): void {
    const before = this.words;
    this.words = new Uint32Array(2 * Math.ceil((GROWTH * before.length) / 2));
    for (let at = 0; at < before.length; at += 2) {
      const hash: Hash = [before[at], before[at + 1]];
      if (!(before[at] === 0 && before[at + 1] === 0)) this.words.set(hash, this.placeOf(hash));
    }
  }
}

/**
 * Two multiplicative hashes of the code units with the finalizer of MurmurHash3 (Appleby, 2011);
 * never 0, 0.
 */
function hashOf(text: string): Hash {
  let [a, b] = [0x9e3779b9, 0x85ebca6b];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193) ^ (a >>> 15);
    b = Math.imul(b ^ unit, 0xc2b2ae35) ^ (b >>> 13);
  }
  return [finished(a ^ text.length), (finished(b + a) | 1) >>> 0];
}

function finished(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
