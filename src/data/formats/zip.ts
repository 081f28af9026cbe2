/**
 * Reading named members of a zip archive, with bounds on what they expand to and their checksums
 * verified. Our own walk through the directory: fflate's takes a Zip64 entry for damaged unless the
 * whole archive is Zip64, and knows of no bytes before the archive.
 */
import { createRequire } from 'node:module';
import { inflateRawSync } from 'node:zlib';
import { damagedError, type UserError } from '../../util/errors.js';
import { crc32 } from './crc32.js';

const require = createRequire(import.meta.url);
/** Loaded on first use, so that a command that reads no archive does not pay. */
const fflate = (): typeof import('fflate') => require('fflate');

const DIRECTORY_END = Buffer.from('PK\x05\x06', 'latin1');
const DIRECTORY_END_BYTES = 22;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const MEMBER = 0x04034b50;
export const MEMBER_BYTES = 30;
const LOCATOR = 0x07064b50;
const LOCATOR_BYTES = 20;
const DIRECTORY_END_64 = 0x06064b50;
const DIRECTORY_END_64_BYTES = 56;
const ZIP64_EXTRA = 1;
/** Of a size or place that stands in the extra field. */
const ELSEWHERE = 0xffffffff;
const MAX_MEMBERS = 4096;
/** Of what a member is compressed to; even all zeros make no more than a megabyte of it. */
const HEAD_BYTES = 1024;

export interface Wanted {
  accepts(name: string): boolean;
  /** Bound on the sum of what the members expand to. */
  readonly maxBytes: number;
  /**
   * Whether a member can be what is wanted, by how it begins and by how many bytes the archive says
   * it expands to: else it is left out.
   */
  fits(name: string, head: Uint8Array, bytes: number): boolean;
}

/**
 * The members of the archive that are wanted, by name.
 * @throws UserError (exit 5) if the archive is damaged, a checksum differs or the bound is passed
 */
export function readZip(bytes: Buffer, file: string, wanted: Wanted): ReadonlyMap<string, Uint8Array> {
  return unzipMembers(bytes, file, wanted, zipDirectory(bytes, file));
}

function unzipMembers(
  bytes: Buffer,
  file: string,
  { accepts, maxBytes, fits }: Wanted,
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
    // Which of the two is meant, nobody knows; and thousands of entries for one large member would
    // be unpacked one after the other.
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

/** What a member expands to: as many bytes as the directory says, or the archive is damaged. */
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
    // an array has to begin where its type can
    return Uint8Array.from(stored);
  }
  if (method !== 8) throw broken(`member ${name} is compressed by method ${method}; expected: 0 or 8`);
  let content: Uint8Array;
  try {
    const { buffer, byteOffset, length } = inflateRawSync(stored, {
      maxOutputLength: Math.max(1, originalBytes),
    });
    // no Buffer, whose slices are no copies
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
  /** Of the member's own header. */
  readonly offset: number;
}

/**
 * Where what a member is compressed to begins, behind its own header; undefined where that is not
 * in the file.
 */
function dataStart(bytes: Buffer, { offset }: Entry): number | undefined {
  if (offset + MEMBER_BYTES > bytes.length) return undefined;
  const length = memberHeaderLength(bytes.subarray(offset, offset + MEMBER_BYTES));
  return length === undefined ? undefined : offset + length;
}

/**
 * Bytes of a member's header with its name, which what it holds follows; undefined if it is none.
 */
export function memberHeaderLength(header: Buffer): number | undefined {
  if (header.length < MEMBER_BYTES || header.readUInt32LE(0) !== MEMBER) return undefined;
  return MEMBER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
}

/**
 * How a member begins, from what it is compressed to at its beginning; undefined where that is
 * damaged, as unpacking it will tell.
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

/** Where the central directory is in the bytes that were read. */
interface DirectoryPlace {
  readonly offset: number;
  readonly end: number;
  /** Bytes before the archive, such as a program that unpacks it: no place in it counts them. */
  readonly prefix: number;
}

/**
 * From the record at the end (APPNOTE 4.3.16), or that of Zip64 before it (4.3.14), which numpy
 * writes of files beyond 4 GiB.
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
  // the record stands right before its locator, which says where without counting a prefix
  const record = locator - DIRECTORY_END_64_BYTES;
  if (record < 0 || bytes.readUInt32LE(record) !== DIRECTORY_END_64)
    throw damage(file, 'the zip archive is damaged (its Zip64 record is misplaced)', 'data/zip');
  return place(uint64(bytes, record + 40), uint64(bytes, record + 48), record);
}

/**
 * The central directory (APPNOTE 4.3.12), with what Zip64 has in extra fields.
 * @param bytes the archive, or its end
 * @param base where `bytes` begin in the archive
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
 * `sizes` as they are, where they do not fit into 32 bits: the extra field 1 has those, in this
 * order (APPNOTE 4.5.3).
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

/** Beyond 2^53 it is of no file. */
function uint64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function damage(file: string, message: string, code: string): UserError {
  return damagedError({ code, message, file });
}
