/** A set of texts that takes eight bytes per text. */

/** Maximum number of texts: 64 MiB of memory. */
const MAX_SEEN = 2 ** 22;

/** Two 32-bit words. */
type Hash = readonly [number, number];

/**
 * A set that stores a 64-bit hash of each text, in a table with open addressing. The probability
 * that any two of four million texts collide is 1e-6. Texts beyond the first four million are not
 * added.
 */
export class SeenTexts {
  /** Pairs of words; 0, 0 is an empty slot. */
  private table = new Uint32Array(2 * 1024);
  private size = 0;

  has(text: string): boolean {
    return !this.isEmpty(this.placeOf(hashOf(text)));
  }

  add(text: string): void {
    if (this.size === MAX_SEEN) return;
    if (4 * this.size >= this.table.length) this.grow();
    const hash = hashOf(text);
    const place = this.placeOf(hash);
    if (this.isEmpty(place)) this.size++;
    this.table.set(hash, place);
  }

  /** Index of `hash` in the table, or of an empty slot for it. */
  private placeOf([high, low]: Hash): number {
    const { table } = this;
    const mask = table.length - 2;
    let place = (2 * low) & mask;
    while (!this.isEmpty(place) && (table[place] !== high || table[place + 1] !== low))
      place = (place + 2) & mask;
    return place;
  }

  private isEmpty(place: number): boolean {
    return this.table[place] === 0 && this.table[place + 1] === 0;
  }

  private grow(): void {
    const before = this.table;
    this.table = new Uint32Array(2 * before.length);
    for (let at = 0; at < before.length; at += 2) {
      const [high, low] = [before[at], before[at + 1]];
      if (high !== 0 || low !== 0) this.table.set([high, low], this.placeOf([high, low]));
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
