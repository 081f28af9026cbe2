/** Reading named members of a zip archive, with bounds on what they expand to and their checksums verified. */
import { unzipSync } from 'fflate';
import { damagedError, type UserError } from '../../errors.js';
import { crc32 } from './crc32.js';

const DIRECTORY_END = Buffer.from('PK\x05\x06', 'latin1');
const DIRECTORY_END_BYTES = 22;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const MAX_MEMBERS = 4096;

/** Ends fflate's walk from inside its filter. */
class Refused extends Error {
  constructor(
    message: string,
    readonly code: string = 'data/too-large',
  ) {
    super(message);
  }
}

/**
 * The members of the archive that `wanted` accepts, by name.
 * @param maxBytes bound on the sum of what they expand to.
 * @throws UserError exit 5 where the archive is damaged, a checksum differs or the bound is passed.
 */
export function readZip(
  bytes: Buffer,
  file: string,
  wanted: (name: string) => boolean,
  maxBytes: number,
): ReadonlyMap<string, Uint8Array> {
  const checksums = directoryChecksums(bytes, file);
  const members = unzipMembers(bytes, file, wanted, maxBytes);
  for (const [name, content] of members) {
    if (crc32(content) !== checksums.get(name)) {
      throw damage(file, `the member ${name} is damaged: its checksum differs`, 'data/zip-checksum');
    }
  }
  return members;
}

function unzipMembers(bytes: Buffer, file: string, wanted: (name: string) => boolean, maxBytes: number) {
  let seen = 0;
  let total = 0;
  const taken = new Set<string>();
  const filter = (member: { name: string; originalSize: number }): boolean => {
    if (++seen > MAX_MEMBERS) throw new Refused(`more than ${MAX_MEMBERS} members`);
    if (!wanted(member.name)) return false;
    // Which of the two is meant, nobody knows; and thousands of entries for one large member would be unpacked one after the other.
    if (taken.has(member.name)) throw new Refused(`it has two members ${member.name}`, 'data/zip');
    taken.add(member.name);
    total += member.originalSize;
    if (!(total <= maxBytes))
      throw new Refused(
        `its ${bytes.length} bytes expand to ${total} or more, and ${maxBytes} are the most here`,
      );
    return true;
  };
  try {
    return new Map(Object.entries(unzipSync(bytes, { filter })));
  } catch (error) {
    if (error instanceof Refused) throw damage(file, `the archive is refused: ${error.message}`, error.code);
    const reason = error instanceof Error ? error.message : String(error);
    throw damage(file, `the zip archive is damaged (${reason})`, 'data/zip');
  }
}

/** CRC-32 of every member, from the central directory (APPNOTE 4.3.12), which fflate does not hand out. */
function directoryChecksums(bytes: Buffer, file: string): ReadonlyMap<string, number> {
  const end = bytes.lastIndexOf(DIRECTORY_END);
  if (end < 0 || end + DIRECTORY_END_BYTES > bytes.length) {
    throw damage(file, 'this is not a complete zip archive', 'data/zip');
  }
  const checksums = new Map<string, number>();
  let at = bytes.readUInt32LE(end + 16);
  while (
    at + DIRECTORY_ENTRY_BYTES <= end &&
    bytes.readUInt32LE(at) === DIRECTORY_ENTRY &&
    checksums.size < MAX_MEMBERS
  ) {
    const nameLength = bytes.readUInt16LE(at + 28);
    const name = bytes.toString(
      'latin1',
      at + DIRECTORY_ENTRY_BYTES,
      at + DIRECTORY_ENTRY_BYTES + nameLength,
    );
    checksums.set(name, bytes.readUInt32LE(at + 16));
    at += DIRECTORY_ENTRY_BYTES + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
  return checksums;
}

function damage(file: string, message: string, code: string): UserError {
  return damagedError({ code, message, file });
}
