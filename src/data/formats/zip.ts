/**
 * Reading named members of a zip archive, with bounds on what they expand to and their checksums
 * verified.
 */
import { createRequire } from 'node:module';
import { damagedError, type UserError } from '../../errors.js';
import { crc32 } from './crc32.js';

const load = createRequire(import.meta.url);
/** Loaded on first use, so that a command that reads no archive does not pay. */
const fflate = (): typeof import('fflate') => load('fflate');

const DIRECTORY_END = Buffer.from('PK\x05\x06', 'latin1');
const DIRECTORY_END_BYTES = 22;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const MEMBER_BYTES = 30;
const MAX_MEMBERS = 4096;
/** Of what a member is compressed to; even all zeros make no more than a megabyte of it. */
const HEAD_BYTES = 1024;

/** Ends fflate's walk from inside its filter. */
class Refused extends Error {
  constructor(
    message: string,
    readonly code: string = 'data/too-large',
  ) {
    super(message);
  }
}

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
 * @throws UserError exit 5 where the archive is damaged, a checksum differs or the bound is passed
 */
export function readZip(bytes: Buffer, file: string, wanted: Wanted): ReadonlyMap<string, Uint8Array> {
  const directory = directoryOf(bytes, file);
  const members = unzipMembers(bytes, file, wanted, directory);
  for (const [name, content] of members) {
    if (crc32(content) !== directory.get(name)?.checksum) {
      throw damage(file, `the member ${name} is damaged: its checksum differs`, 'data/zip-checksum');
    }
  }
  return members;
}

function unzipMembers(
  bytes: Buffer,
  file: string,
  { accepts, maxBytes, fits }: Wanted,
  directory: ReadonlyMap<string, Entry>,
) {
  let seen = 0;
  let total = 0;
  const taken = new Set<string>();
  const filter = (member: { name: string; originalSize: number }): boolean => {
    if (++seen > MAX_MEMBERS) throw new Refused(`more than ${MAX_MEMBERS} members`);
    if (!accepts(member.name)) return false;
    // Which of the two is meant, nobody knows; and thousands of entries for one large member would
    // be unpacked one after the other.
    if (taken.has(member.name)) throw new Refused(`it has two members ${member.name}`, 'data/zip');
    taken.add(member.name);
    total += member.originalSize;
    if (!(total <= maxBytes))
      throw new Refused(
        `its ${bytes.length} bytes expand to ${total} or more, and ${maxBytes} are the most here`,
      );
    const head = headOf(bytes, directory.get(member.name));
    return head === undefined || fits(member.name, head, member.originalSize);
  };
  try {
    return new Map(Object.entries(fflate().unzipSync(bytes, { filter })));
  } catch (error) {
    if (error instanceof Refused) throw damage(file, `the archive is refused: ${error.message}`, error.code);
    const reason = error instanceof Error ? error.message : String(error);
    throw damage(file, `the zip archive is damaged (${reason})`, 'data/zip');
  }
}

interface Entry {
  readonly checksum: number;
  /** 0: stored, 8: deflated. */
  readonly method: number;
  readonly compressedBytes: number;
  /** Of the member's own header. */
  readonly offset: number;
}

/**
 * How a member begins, from what it is compressed to at its beginning; undefined where that is
 * damaged, as unpacking it will tell.
 */
function headOf(bytes: Buffer, entry: Entry | undefined): Uint8Array | undefined {
  if (entry === undefined || entry.offset + MEMBER_BYTES > bytes.length) return undefined;
  const { offset, method, compressedBytes } = entry;
  const from = offset + MEMBER_BYTES + bytes.readUInt16LE(offset + 26) + bytes.readUInt16LE(offset + 28);
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

/** What fflate does not hand out of every member, from the central directory (APPNOTE 4.3.12). */
function directoryOf(bytes: Buffer, file: string): ReadonlyMap<string, Entry> {
  const end = bytes.lastIndexOf(DIRECTORY_END);
  if (end < 0 || end + DIRECTORY_END_BYTES > bytes.length) {
    throw damage(file, 'this is not a complete zip archive', 'data/zip');
  }
  const entries = new Map<string, Entry>();
  let at = bytes.readUInt32LE(end + 16);
  while (
    at + DIRECTORY_ENTRY_BYTES <= end &&
    bytes.readUInt32LE(at) === DIRECTORY_ENTRY &&
    entries.size < MAX_MEMBERS
  ) {
    const nameLength = bytes.readUInt16LE(at + 28);
    const name = bytes.toString(
      'latin1',
      at + DIRECTORY_ENTRY_BYTES,
      at + DIRECTORY_ENTRY_BYTES + nameLength,
    );
    entries.set(name, {
      checksum: bytes.readUInt32LE(at + 16),
      method: bytes.readUInt16LE(at + 10),
      compressedBytes: bytes.readUInt32LE(at + 20),
      offset: bytes.readUInt32LE(at + 42),
    });
    at += DIRECTORY_ENTRY_BYTES + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return entries;
}

function damage(file: string, message: string, code: string): UserError {
  return damagedError({ code, message, file });
}
