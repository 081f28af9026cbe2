/** Texts that have been seen, in eight bytes each. */
import { createHash } from 'node:crypto';

/** More are not kept: 64 MiB of them. */
const MAX_SEEN = 2 ** 22;

/**
 * A set of texts that keeps 63 bits of a hash of each, in a table with open addressing. That two
 * texts of four million are taken for one has a probability of 1e-6. Those beyond the first four
 * million are not kept.
 */
export class SeenTexts {
  private hashes = new BigUint64Array(1024);
  private size = 0;

  has(text: string): boolean {
    return this.hashes[this.slotOf(hashOf(text))] !== 0n;
  }

  add(text: string): void {
    if (this.size === MAX_SEEN) return;
    if (2 * this.size >= this.hashes.length) this.grow();
    const hash = hashOf(text);
    const slot = this.slotOf(hash);
    if (this.hashes[slot] === 0n) this.size++;
    this.hashes[slot] = hash;
  }

  /** Where `hash` is, or an empty place for it. */
  private slotOf(hash: bigint): number {
    const { hashes } = this;
    const mask = hashes.length - 1;
    let slot = Number(hash & 0xffffffffn) & mask;
    while (hashes[slot] !== 0n && hashes[slot] !== hash) slot = (slot + 1) & mask;
    return slot;
  }

  private grow(): void {
    const before = this.hashes;
    this.hashes = new BigUint64Array(2 * before.length);
    for (const hash of before) if (hash !== 0n) this.hashes[this.slotOf(hash)] = hash;
  }
}

/** Never 0, which stands for an empty place. */
function hashOf(text: string): bigint {
  return createHash('sha1').update(text).digest().readBigUInt64LE(0) | 1n;
}
