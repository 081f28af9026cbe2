/**
 * A file with the features of recordings, in the folder of these, so that they are computed once
 * and may stay on disk. It can be deleted; what is damaged or missing is computed again.
 *
 *     features  float32, of one recording after another
 *     index     for each recording: the SHA-256 of what its features are computed from, that of its
 *               features, and their number (uint32)
 *     footer    SHA-256 of the index, number of recordings (uint32)
 */
import { dirname, fs, join, randomInt } from '../../host/index.js';
import { EXIT, UserError } from '../../util/errors.js';
import { isSystemError, tidyUp, withFileErrors, writeWhole } from '../../util/system-errors.js';
import type { Place } from '../core/store.js';
import { sha256 } from '../reading/files.js';
import { type ByteRange, RangedFile } from '../reading/ranged-file.js';

const FOLDER = '.cellrun';
const DIGEST_BYTES = 32;
const ENTRY_BYTES = 2 * DIGEST_BYTES + 4;
const FOOTER_BYTES = DIGEST_BYTES + 4;

/** Other processes may write the same file. */
const THIS_PROCESS = randomInt(2 ** 47);

interface Entry extends ByteRange {
  /** SHA-256, lower-case hex. */
  readonly key: string;
  readonly digest: string;
}

export class FeatureCache {
  /** Of the recordings so far. */
  private readonly entries: Entry[] = [];
  private readonly path: string;
  private readonly temporary: string;
  private old: KeptFile | undefined;
  /** The new file; absent as long as the old one begins with the same recordings. */
  private out: number | undefined;
  private isUnwritable = false;

  /**
   * @param settings what features depend on besides the recording
   * @param isNeeded true if the features do not stay in memory
   */
  constructor(
    folder: string,
    settings: object,
    private readonly isNeeded: boolean,
  ) {
    const name = `features-${sha256(Buffer.from(JSON.stringify(settings))).slice(0, 16)}`;
    this.path = join(folder, FOLDER, name);
    this.temporary = `${this.path}-${THIS_PROCESS}`;
    this.old = KeptFile.open(this.path);
  }

  /** True if the file seems to have the features of a recording: they may be damaged. */
  has(key: string): boolean {
    return this.old?.entryOf(key, this.entries.length) !== undefined;
  }

  /**
   * Returns the features of the next recording.
   * @param key SHA-256 of what they are computed from, lower-case hex
   * @param compute returns them if the file does not have them
   */
  next(key: string, compute: () => Float32Array): Float32Array {
    const { old, entries } = this;
    const known = old?.entryOf(key, entries.length);
    const found = known && old?.read(known);
    const values = found ?? compute();
    const from = entries.at(-1)?.to ?? 0;
    if (found === undefined || known?.from !== from) this.begin();
    this.write(values);
    const digest = found && known ? known.digest : sha256(values);
    entries.push({ key, digest, from, to: from + values.byteLength });
    return values;
  }

  /** Completes the file. @returns the place of the features of each recording if needed */
  end(): Place[] | undefined {
    const { path, entries, isNeeded } = this;
    this.attempt(() => this.complete());
    // a run with other recordings replaces the file at this path at any time
    const file = isNeeded && this.old ? RangedFile.of(path, this.old.file) : undefined;
    if (file) this.old = undefined;
    this.close();
    return file && entries.map(({ from, to }) => ({ file, from, to }));
  }

  private complete(): void {
    const { out, path, temporary, entries, old } = this;
    if (out === undefined) return;
    const index = indexOf(entries);
    writeWhole(out, index);
    const isDamaged = old?.hasIndex(index);
    old?.close();
    // another run may have written the same
    this.old = isDamaged ? undefined : KeptFile.open(path);
    if (this.old?.hasIndex(index)) return;
    fs.renameSync(temporary, path);
    this.old?.close();
    this.old = new KeptFile(out, entries);
    this.out = undefined;
  }

  /** Frees the files; an incomplete one is removed. */
  close(): void {
    this.old?.close();
    this.old = undefined;
    this.discard();
  }

  private discard(): void {
    if (this.out === undefined) return;
    fs.closeSync(this.out);
    this.out = undefined;
    tidyUp(() => fs.rmSync(this.temporary, { force: true }));
  }

  /** Starts a file with the recordings so far. */
  private begin(): void {
    if (this.out !== undefined || this.isUnwritable) return;
    const folder = dirname(this.path);
    this.attempt(() => {
      fs.mkdirSync(folder, { recursive: true });
      fs.writeFileSync(join(folder, '.gitignore'), '*\n');
      this.out = fs.openSync(this.temporary, 'w+');
    });
    for (const entry of this.entries) this.write(this.old?.read(entry) as Float32Array);
  }

  private write({ buffer, byteOffset, byteLength }: Float32Array): void {
    const { out } = this;
    if (out !== undefined)
      this.attempt(() => writeWhole(out, new Uint8Array(buffer, byteOffset, byteLength)));
  }

  /** Features in memory are computed again the next time if they cannot be written. */
  private attempt(write: () => void): void {
    try {
      withFileErrors(this.path, write);
    } catch (error) {
      this.isUnwritable = true;
      this.discard();
      if (!(error instanceof UserError)) throw error;
      if (!this.isNeeded) return;
      const expected = 'a folder that can be written, or `dataset.memory` for all recordings';
      const located = error.diagnostics.map(one => ({ ...one, expected }));
      throw new UserError(EXIT.usage, located, { cause: error.cause });
    }
  }
}

/** A file as it was found or written. It stays open, so that it may be replaced or deleted. */
class KeptFile {
  private readonly byKey: ReadonlyMap<string, Entry>;

  constructor(
    readonly file: number,
    private readonly entries: readonly Entry[],
  ) {
    this.byKey = new Map(entries.map(entry => [entry.key, entry]));
  }

  /** Undefined without a file that can be read. */
  static open(path: string): KeptFile | undefined {
    try {
      const file = fs.openSync(path, 'r');
      return new KeptFile(file, entriesOf(file));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return undefined;
    }
  }

  /** @param position where it is best looked for: others may have the same key */
  entryOf(key: string, position: number): Entry | undefined {
    const there = this.entries.at(position);
    return there?.key === key ? there : this.byKey.get(key);
  }

  hasIndex(index: Buffer): boolean {
    return indexOf(this.entries).equals(index);
  }

  /** Undefined if the features are damaged. */
  read({ from, to, digest }: Entry): Float32Array | undefined {
    const values = new Float32Array((to - from) / Float32Array.BYTES_PER_ELEMENT);
    readAll(this.file, values, from);
    return sha256(values) === digest ? values : undefined;
  }

  close(): void {
    fs.closeSync(this.file);
  }
}

function indexOf(entries: readonly Entry[]): Buffer {
  const index = Buffer.concat(
    entries.map(({ key, digest, from, to }) => {
      const count = Uint32Array.of((to - from) / Float32Array.BYTES_PER_ELEMENT);
      return Buffer.concat([Buffer.from(key + digest, 'hex'), new Uint8Array(count.buffer)]);
    }),
  );
  const count = new Uint8Array(Uint32Array.of(entries.length).buffer);
  return Buffer.concat([index, Buffer.from(sha256(index), 'hex'), count]);
}

/** None if the index is damaged. */
function entriesOf(file: number): Entry[] {
  const end = fs.fstatSync(file).size - FOOTER_BYTES;
  if (end < 0) return [];
  const footer = readAll(file, Buffer.alloc(FOOTER_BYTES), end);
  const start = end - ENTRY_BYTES * footer.readUInt32LE(DIGEST_BYTES);
  if (start < 0) return [];
  const index = readAll(file, Buffer.alloc(end - start), start);
  if (sha256(index) !== footer.toString('hex', 0, DIGEST_BYTES)) return [];
  const entries: Entry[] = [];
  let from = 0;
  for (let at = 0; at < index.length; at += ENTRY_BYTES) {
    const digestAt = (place: number) => index.toString('hex', place, place + DIGEST_BYTES);
    const count = index.readUInt32LE(at + 2 * DIGEST_BYTES);
    const to = from + Float32Array.BYTES_PER_ELEMENT * count;
    entries.push({ key: digestAt(at), digest: digestAt(at + DIGEST_BYTES), from, to });
    from = to;
  }
  return entries;
}

/** Fills `out` from byte `from` on; zeros follow the end of the file. */
function readAll<T extends NodeJS.ArrayBufferView>(file: number, out: T, from: number): T {
  for (let done = 0; done < out.byteLength; ) {
    const count = fs.readSync(file, out, done, out.byteLength - done, from + done);
    if (count === 0) break;
    done += count;
  }
  return out;
}
