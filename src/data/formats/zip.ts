/**
 * Reads named members of a zip archive; limits their size and verifies their checksums. It parses
 * the directory itself because fflate rejects Zip64 entries unless the whole archive is Zip64, and
 * does not support bytes before the archive.
 */
import { createRequire } from 'node:module';
import zlib, { inflateRawSync } from 'node:zlib';
import { damagedError, type UserError } from '../../util/errors.js';

const require = createRequire(import.meta.url);
/** Loaded on first use, so that other commands do not pay for it. */
const fflate = (): typeof import('fflate') => require('fflate');

const DIRECTORY_END = Buffer.from('PK\x05\x06', 'latin1');
const DIRECTORY_END_BYTES = 22;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const MEMBER = 0x04034b50;
/** Size of a member's header without its name and extra field. */
export const MEMBER_BYTES = 30;
const LOCATOR = 0x07064b50;
const LOCATOR_BYTES = 20;
const DIRECTORY_END_64 = 0x06064b50;
const DIRECTORY_END_64_BYTES = 56;
const ZIP64_EXTRA = 1;
/** Marks a size or offset that is stored in the extra field instead. */
const ELSEWHERE = 0xffffffff;
const MAX_MEMBERS = 4096;
/**
 * Number of compressed bytes to inflate for the head of a member; even zeros expand to at most 1
 * MiB.
 */
const HEAD_BYTES = 1024;

export interface ZipSelection {
  accepts(name: string): boolean;
  /** Maximum total size of the members. */
  readonly maxBytes: number;
  /**
   * Returns false to skip a member, based on its first bytes and its size according to the archive.
   */
  fits(name: string, head: Uint8Array, bytes: number): boolean;
}

/**
 * Returns the accepted members of the archive, by name.
 * @throws UserError (exit 5) if the archive is damaged, a checksum differs or the limit is exceeded
 */
export function readZip(bytes: Buffer, file: string, wanted: ZipSelection): ReadonlyMap<string, Uint8Array> {
  return unzipMembers(bytes, file, wanted, zipDirectory(bytes, file));
}

function unzipMembers(
  bytes: Buffer,
  file: string,
  { accepts, maxBytes, fits }: ZipSelection,
  directory: readonly Entry[],
): Map<string, Uint8Array> {
  const refused = (message: string, code = 'data/too-large') =>
    damage(file, `the archive is refused: ${message}`, code);
  let total = 0;
  const members = new Map<string, Uint8Array>();
  const taken = new Set<string>();
  for (const entry of directory) {
    const { name, originalBytes } = entry;
    if (!accepts(name)) continue;
    // It is unclear which of the two is meant; and thousands of entries for one large member would
    // all be inflated.
    if (taken.has(name)) throw refused(`it contains ${name} twice`, 'data/zip');
    taken.add(name);
    total += originalBytes;
    if (!(total <= maxBytes))
      throw refused(`its ${bytes.length} bytes expand to at least ${total} bytes; the limit is ${maxBytes}`);
    const head = headOf(bytes, entry);
    if (head !== undefined && !fits(name, head, originalBytes)) continue;
    const content = contentOf(bytes, file, entry);
    if (crc32(content) !== entry.checksum)
      throw damage(file, `the member ${name} is damaged: its checksum differs`, 'data/zip-checksum');
    members.set(name, content);
  }
  return members;
}

/**
 * Returns the content of a member. Its size must match the directory.
 * @throws UserError (exit 5) if the member is damaged
 */
function contentOf(bytes: Buffer, file: string, entry: Entry): Uint8Array {
  const broken = (reason: string) => damage(file, `the zip archive is damaged (${reason})`, 'data/zip');
  const { name, method, compressedBytes, originalBytes } = entry;
  const from = dataStart(bytes, entry);
  if (from === undefined || from + compressedBytes > bytes.length)
    throw broken(`member ${name} is not at the offset in the directory`);
  const stored = bytes.subarray(from, from + compressedBytes);
  if (method === 0) {
    if (stored.length !== originalBytes)
      throw broken(`the size of member ${name} differs from the directory`);
    // copied so that typed arrays on it are aligned
    return Uint8Array.from(stored);
  }
  if (method !== 8) throw broken(`member ${name} is compressed by method ${method}; expected: 0 or 8`);
  let content: Uint8Array;
  try {
    const { buffer, byteOffset, length } = inflateRawSync(stored, {
      maxOutputLength: Math.max(1, originalBytes),
    });
    // not a Buffer, whose slices are not copies
    content = new Uint8Array(buffer, byteOffset, length);
  } catch (error) {
    throw broken(`member ${name}: ${error instanceof Error ? error.message : error}`);
  }
  if (content.length !== originalBytes) throw broken(`the size of member ${name} differs from the directory`);
  return content;
}

export interface Entry {
  readonly name: string;
  readonly checksum: number;
  /** 0: stored, 8: deflated. */
  readonly method: number;
  readonly compressedBytes: number;
  readonly originalBytes: number;
  /** Offset of the member's own header. */
  readonly offset: number;
}

/** Offset of a member's data, after its own header; undefined if that is outside the file. */
function dataStart(bytes: Buffer, { offset }: Entry): number | undefined {
  if (offset + MEMBER_BYTES > bytes.length) return undefined;
  const length = memberHeaderLength(bytes.subarray(offset, offset + MEMBER_BYTES));
  return length === undefined ? undefined : offset + length;
}

/**
 * Size of a member's header, including the name and extra field; undefined if `header` is not one.
 */
export function memberHeaderLength(header: Buffer): number | undefined {
  if (header.length < MEMBER_BYTES || header.readUInt32LE(0) !== MEMBER) return undefined;
  return MEMBER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
}

/**
 * Inflates the first bytes of a member; undefined if they are damaged, which inflating the whole
 * member reports.
 */
function headOf(bytes: Buffer, entry: Entry): Uint8Array | undefined {
  const { method, compressedBytes } = entry;
  const from = dataStart(bytes, entry);
  if (from === undefined) return undefined;
  const begin = bytes.subarray(from, from + Math.min(compressedBytes, HEAD_BYTES));
  if (method === 0) return begin;
  if (method !== 8) return undefined;
  const parts: Uint8Array[] = [];
  const { Inflate } = fflate();
  try {
    new Inflate(part => parts.push(part)).push(begin, false);
  } catch {
    return undefined;
  }
  return Buffer.concat(parts);
}

/** Position of the central directory in the bytes read. */
interface DirectoryPlace {
  readonly offset: number;
  readonly end: number;
  /**
   * Number of bytes before the archive, such as a self-extracting program; offsets in the archive
   * exclude them.
   */
  readonly prefix: number;
}

/**
 * Finds the directory through the end record (APPNOTE 4.3.16), or through the Zip64 end record
 * before it (4.3.14), which NumPy writes for files beyond 4 GiB.
 */
function directoryPlace(bytes: Buffer, file: string, base: number): DirectoryPlace {
  const end = bytes.lastIndexOf(DIRECTORY_END);
  if (end < 0 || end + DIRECTORY_END_BYTES > bytes.length)
    throw damage(file, 'this is not a complete zip archive', 'data/zip');
  const place = (size: number, offset: number, at: number): DirectoryPlace => {
    const prefix = base + at - size - offset;
    if (!(prefix >= 0))
      throw damage(file, 'the zip archive is damaged (it begins before the file)', 'data/zip');
    if (at < size) throw damage(file, 'the zip archive is refused: its directory is too long', 'data/zip');
    return { offset: at - size, end: at, prefix };
  };
  const locator = end - LOCATOR_BYTES;
  if (locator < 0 || bytes.readUInt32LE(locator) !== LOCATOR)
    return place(bytes.readUInt32LE(end + 12), bytes.readUInt32LE(end + 16), end);
  // the record is directly before its locator, whose offset does not count a prefix
  const record = locator - DIRECTORY_END_64_BYTES;
  if (record < 0 || bytes.readUInt32LE(record) !== DIRECTORY_END_64)
    throw damage(file, 'the zip archive is damaged (its Zip64 record is misplaced)', 'data/zip');
  return place(uint64(bytes, record + 40), uint64(bytes, record + 48), record);
}

/**
 * Returns the central directory (APPNOTE 4.3.12), with sizes and offsets from Zip64 extra fields.
 * @param bytes the archive, or its end
 * @param base offset of `bytes` in the archive
 * @throws UserError (exit 5) if the archive is damaged
 */
export function zipDirectory(bytes: Buffer, file: string, base = 0): readonly Entry[] {
  const { offset, end, prefix } = directoryPlace(bytes, file, base);
  const entries: Entry[] = [];
  let at = offset;
  while (at + DIRECTORY_ENTRY_BYTES <= end && bytes.readUInt32LE(at) === DIRECTORY_ENTRY) {
    if (entries.length === MAX_MEMBERS)
      throw damage(file, `the archive is refused: more than ${MAX_MEMBERS} members`, 'data/too-large');
    const nameEnd = at + DIRECTORY_ENTRY_BYTES + bytes.readUInt16LE(at + 28);
    const extraEnd = nameEnd + bytes.readUInt16LE(at + 30);
    const next = extraEnd + bytes.readUInt16LE(at + 32);
    if (next > end) throw damage(file, 'the zip archive is damaged (its directory is cut off)', 'data/zip');
    const sizes = [bytes.readUInt32LE(at + 24), bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 42)];
    const [originalBytes, compressedBytes, from] = withZip64(sizes, bytes.subarray(nameEnd, extraEnd));
    entries.push({
      name: bytes.toString('latin1', at + DIRECTORY_ENTRY_BYTES, nameEnd),
      checksum: bytes.readUInt32LE(at + 16),
      method: bytes.readUInt16LE(at + 10),
      compressedBytes,
      originalBytes,
      offset: from + prefix,
    });
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

/** Inexact beyond 2^53, more than any file size. */
function uint64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function damage(file: string, message: string, code: string): UserError {
  return damagedError({ code, message, file });
}

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** Same as {@link crc32}, for versions of Node without it. */
export function tableCrc32(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/**
 * Returns the checksum as an unsigned 32-bit integer. Node's own (since 20.15) is ten times as
 * fast.
 * @param before checksum of the preceding bytes
 */
export const crc32: (bytes: Uint8Array, before?: number) => number =
  (zlib as Partial<Pick<typeof zlib, 'crc32'>>).crc32 ?? tableCrc32;
