/**
 * Members of a zip archive, in memory or on disk. It parses the directory itself because fflate
 * rejects Zip64 entries unless the whole archive is Zip64, and reads whole archives only.
 */
import { crc32, inflateRawSync } from '../../host/index.js';
import { damagedError, type UserError } from '../../util/errors.js';
import { expansionLimit } from '../reading/files.js';
import { type Bytes, memoryBytes, RangedFile } from '../reading/ranged-file.js';

const DIRECTORY_END = Buffer.from('PK\x05\x06', 'latin1');
const DIRECTORY_END_BYTES = 22;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const MEMBER = 0x04034b50;
/** Size of a member's header without its name and extra field. */
const MEMBER_BYTES = 30;
const LOCATOR = 0x07064b50;
const LOCATOR_BYTES = 20;
const DIRECTORY_END_64 = 0x06064b50;
const DIRECTORY_END_64_BYTES = 56;
const ZIP64_EXTRA = 1;
/** Marks a size or offset that is stored in the extra field instead. */
const ELSEWHERE = 0xffffffff;
const DIRECTORY_BYTES = 2 ** 21;

interface Entry {
  readonly checksum: number;
  /** 0: stored, 8: deflated. */
  readonly method: number;
  readonly compressedBytes: number;
  readonly originalBytes: number;
  readonly offset: number;
}

/** The content of a member: bytes from `start` to `end` of `source`. */
export interface Member {
  readonly name: string;
  readonly source: Bytes;
  readonly start: number;
  readonly end: number;
  readonly checksum: number;
}

export class ZipArchive {
  private readonly entries: ReadonlyMap<string, Entry>;
  private left: number;
  /** Members that were opened and stay on disk, with the checksums of their bytes so far. */
  private readonly stored: { readonly member: Member; found: number }[] = [];

  /** @throws UserError (exit 5) if the archive is damaged */
  constructor(
    readonly source: Bytes,
    limit = expansionLimit(),
  ) {
    this.left = limit;
    const from = Math.max(0, source.size - DIRECTORY_BYTES);
    this.entries = directoryOf(Buffer.from(source.readNow({ from, to: source.size })), source.name);
  }

  get names(): readonly string[] {
    return [...this.entries.keys()];
  }

  /**
   * Opens a member: where it is in the archive if it is stored, else in memory. That of one on disk
   * is verified by `add` and `verify`.
   */
  open(name: string): Member {
    const { source } = this;
    const broken = (reason: string) => damage(source.name, `the zip archive is damaged (${reason})`);
    const { method, offset, compressedBytes, originalBytes, checksum } = this.entries.get(name) as Entry;
    const misplaced = () => broken(`member ${name} is not at the offset in the directory`);
    if (offset + MEMBER_BYTES > source.size) throw misplaced();
    const header = source.readNow({ from: offset, to: offset + MEMBER_BYTES });
    const start = offset + MEMBER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
    if (header.readUInt32LE(0) !== MEMBER || start + compressedBytes > source.size) throw misplaced();
    const stored = { name, source, start, end: start + compressedBytes, checksum };
    const otherSize = () => broken(`the size of member ${name} differs from the directory`);
    if (method === 0) {
      if (compressedBytes !== originalBytes) throw otherSize();
      if (source instanceof RangedFile) this.stored.push({ member: stored, found: 0 });
      else verify(stored, crc32(contentOf(stored)));
      return stored;
    }
    if (method !== 8) throw broken(`member ${name} is compressed by method ${method}; expected: 0 or 8`);
    this.left -= originalBytes;
    if (this.left < 0) throw damage(source.name, 'the archive expands to too much data', 'data/too-large');
    let content: Buffer;
    try {
      content = inflateRawSync(contentOf(stored), { maxOutputLength: Math.max(1, originalBytes) });
    } catch (error) {
      throw broken(`member ${name}: ${error instanceof Error ? error.message : error}`);
    }
    if (content.length !== originalBytes) throw otherSize();
    const bytes = memoryBytes(source.name, content);
    const member = { name, source: bytes, start: 0, end: content.length, checksum };
    verify(member, crc32(content));
    return member;
  }

  /** Adds the archive's bytes at `from`, the next ones, to the checksums of members on disk. */
  add(piece: Buffer, from: number): void {
    for (const one of this.stored) {
      const { start, end } = one.member;
      const own = piece.subarray(Math.max(0, start - from), Math.max(0, Math.min(piece.length, end - from)));
      if (own.length > 0) one.found = crc32(own, one.found);
    }
  }

  /** @throws UserError (exit 5) if the checksum of a member on disk differs; call after `add` */
  verify(): void {
    for (const { member, found } of this.stored) verify(member, found);
  }
}

/** @throws UserError (exit 5) if the checksum of a member's content differs */
function verify({ name, source, checksum }: Member, found: number): void {
  if (found === checksum) return;
  throw damage(source.name, `the member ${name} is damaged: its checksum differs`, 'data/zip-checksum');
}

function contentOf({ source, start, end }: Member): Buffer {
  return source.readNow({ from: start, to: end });
}

/**
 * Position of the directory, through the end record (APPNOTE 4.3.16), or through the Zip64 end
 * record before it (4.3.14), which NumPy writes for files beyond 4 GiB.
 */
function directoryPlace(bytes: Buffer, file: string): readonly [from: number, to: number] {
  const end = bytes.lastIndexOf(DIRECTORY_END);
  if (end < 0 || end + DIRECTORY_END_BYTES > bytes.length)
    throw damage(file, 'this is not a complete zip archive');
  const locator = end - LOCATOR_BYTES;
  if (locator < 0 || bytes.readUInt32LE(locator) !== LOCATOR)
    return [end - bytes.readUInt32LE(end + 12), end];
  const record = locator - DIRECTORY_END_64_BYTES;
  if (record < 0 || bytes.readUInt32LE(record) !== DIRECTORY_END_64)
    throw damage(file, 'the zip archive is damaged (its Zip64 record is misplaced)');
  return [record - uint64(bytes, record + 40), record];
}

/**
 * Returns the central directory (APPNOTE 4.3.12), with sizes and offsets from Zip64 extra fields.
 * @param bytes the end of the archive
 */
function directoryOf(bytes: Buffer, file: string): ReadonlyMap<string, Entry> {
  const [from, to] = directoryPlace(bytes, file);
  if (from < 0) throw damage(file, `the zip archive is damaged or its directory too long`);
  const entries = new Map<string, Entry>();
  for (let at = from; at + DIRECTORY_ENTRY_BYTES <= to && bytes.readUInt32LE(at) === DIRECTORY_ENTRY; ) {
    const nameEnd = at + DIRECTORY_ENTRY_BYTES + bytes.readUInt16LE(at + 28);
    const extraEnd = nameEnd + bytes.readUInt16LE(at + 30);
    const next = extraEnd + bytes.readUInt16LE(at + 32);
    if (next > to) throw damage(file, 'the zip archive is damaged (its directory is truncated)');
    const sizes = [bytes.readUInt32LE(at + 24), bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 42)];
    const [originalBytes, compressedBytes, offset] = withZip64(sizes, bytes.subarray(nameEnd, extraEnd));
    const name = bytes.toString('latin1', at + DIRECTORY_ENTRY_BYTES, nameEnd);
    if (entries.has(name)) throw damage(file, `the archive contains ${name} twice`);
    const [checksum, method] = [bytes.readUInt32LE(at + 16), bytes.readUInt16LE(at + 10)];
    entries.set(name, { checksum, method, compressedBytes, originalBytes, offset });
    at = next;
  }
  return entries;
}

/**
 * Replaces sizes that do not fit into 32 bits: extra field 1 contains these, in the same order
 * (APPNOTE 4.5.3).
 */
function withZip64(sizes: readonly number[], extra: Buffer): readonly number[] {
  let rest: Buffer = Buffer.alloc(0);
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2))
    if (extra.readUInt16LE(at) === ZIP64_EXTRA)
      rest = extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2));
  let from = 0;
  return sizes.map(size => {
    if (size !== ELSEWHERE || from + 8 > rest.length) return size;
    from += 8;
    return uint64(rest, from - 8);
  });
}

function uint64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function damage(file: string, message: string, code = 'data/zip'): UserError {
  return damagedError(code, message, { file });
}
