/** NumPy arrays in an .npz archive, by name: in memory, or where they are in the file. */
import type { Diagnostic } from '../util/errors.js';
import {
  arrayInMemory,
  arrayOnDisk,
  type FileArray,
  type FileTexts,
  type PendingSequences,
  textsInMemory,
  textsOnDisk,
} from './arrays.js';
import { Problems } from './core/problems.js';
import { checkNpyLayout } from './formats/npy-array.js';
import { crc32, type Entry, MEMBER_BYTES, memberHeaderLength, readZip, zipDirectory } from './formats/zip.js';
import { expansionLimit } from './reading/limits.js';
import { RangedFile } from './reading/ranged-file.js';
import { RowFeed } from './reading/row-feed.js';

/** Arrays to read from an archive. */
export interface WantedArrays {
  readonly names: readonly string[];
  /** @param found names of all arrays of the archive */
  required(found: readonly string[]): readonly string[];
  /** The arrays that an archive has, for messages. */
  readonly expected: string;
}

/** The arrays of an archive, in memory or on disk, by name. */
export interface Arrays {
  readonly numbers: ReadonlyMap<string, FileArray>;
  /** Names of the sequences: texts or integers `[N]`. */
  readonly ids: ReadonlyMap<string, FileTexts>;
}

/** An archive whose arrays are on disk. */
interface StoredArchive extends Arrays {
  /**
   * Reads the whole archive once to run the checks of its rows and to compare its checksums.
   * @returns its SHA-256
   * @throws UserError (exit 5) if a checksum differs
   */
  scan(checks: PendingSequences['checks']): Promise<string>;
}

/** A member whose content is stored uncompressed, from `start` on. */
interface Member {
  readonly entry: Entry;
  readonly start: number;
}

/** Maximum size of an archive's directory and the bytes after it. */
const DIRECTORY_BYTES = 2 ** 21;

/**
 * Opens the arrays of an archive without reading their values; undefined if one of them is
 * compressed, since it could not be read by range.
 * @throws UserError (exit 5) if the archive or a header is damaged, or an array is missing
 */
export async function storedArchive(path: string, wanted: WantedArrays): Promise<StoredArchive | undefined> {
  const file = await RangedFile.open(path);
  const from = Math.max(0, file.size - DIRECTORY_BYTES);
  const end = Buffer.from(file.readNow({ from, to: file.size }));
  const names = new Map(wanted.names.map(name => [`${name}.npy`, name]));
  const entries = zipDirectory(end, path, from);
  const chosen = entries.filter(({ name }) => names.has(name));
  if (chosen.some(({ method }) => method !== 0)) return undefined;
  const problems = new Problems();
  const damaged = (message: string) =>
    problems.add({ code: 'data/zip', message: `the zip archive is damaged (${message})`, file: path });
  const members = chosen.flatMap((entry): Member[] => {
    const { name, offset, originalBytes, compressedBytes } = entry;
    const to = Math.min(file.size, offset + MEMBER_BYTES);
    const length = offset < to ? memberHeaderLength(file.readNow({ from: offset, to })) : undefined;
    if (length === undefined || offset + length + compressedBytes > file.size)
      damaged(`member ${name} is not at the offset in the directory`);
    else if (originalBytes !== compressedBytes)
      damaged(`member ${name} has another size than the directory says`);
    else return [{ entry, start: offset + length }];
    return [];
  });
  const twice = chosen.find(({ name }, i) => chosen.findIndex(other => other.name === name) < i);
  if (twice) damaged(`it has two members ${twice.name}`);
  problems.throwIfAny();
  const numbers = new Map<string, FileArray>();
  const ids = new Map<string, FileTexts>();
  for (const { entry, start } of members) {
    const name = names.get(entry.name) ?? '';
    problems.attempt(() => {
      if (isIds(name)) ids.set(name, textsOnDisk(file, start, entry.originalBytes, name));
      else numbers.set(name, arrayOnDisk(file, start, entry.originalBytes, name));
    });
  }
  const files = entries.map(({ name }) => name);
  problems.add(...missingArrays(path, wanted, files));
  problems.throwIfAny();
  return { numbers, ids, scan: checks => scan(file, members, checks) };
}

function isIds(name: string): boolean {
  return name.startsWith('ids');
}

async function scan(
  file: RangedFile,
  members: readonly Member[],
  checks: PendingSequences['checks'],
): Promise<string> {
  const feed = new RowFeed(checks);
  const checksums = members.map(() => 0);
  const sha256 = await file.scan((piece, from) => {
    members.forEach(({ entry, start }, i) => {
      const end = start + entry.originalBytes;
      const own = piece.subarray(Math.max(0, start - from), Math.max(0, Math.min(piece.length, end - from)));
      if (own.length > 0) checksums[i] = crc32(own, checksums[i]);
    });
    feed.piece(piece, from);
  });
  const problems = new Problems();
  members.forEach(({ entry }, i) => {
    if (entry.checksum === checksums[i]) return;
    const message = `the member ${entry.name} is damaged: its checksum differs`;
    problems.add({ code: 'data/zip-checksum', message, file: file.name });
  });
  problems.throwIfAny();
  return sha256;
}

/**
 * Reads arrays of an archive into memory.
 * @throws UserError (exit 5) if the archive or an array is damaged, or one is missing
 */
export function readArchive(bytes: Buffer, file: string, wanted: WantedArrays): Arrays {
  const { names } = wanted;
  const files: string[] = [];
  const problems = new Problems();
  const members = readZip(bytes, file, {
    accepts: member => {
      files.push(member);
      return member.endsWith('.npy') && names.includes(nameOf(member));
    },
    maxBytes: expansionLimit(),
    // reject a member whose size differs from its header before inflating it
    fits: (member, head, size) => {
      const name = nameOf(member);
      const check = () => {
        checkNpyLayout(head, size, file, name, { texts: isIds(name) });
        return true;
      };
      return problems.attempt(check) ?? false;
    },
  });
  const numbers = new Map<string, FileArray>();
  const ids = new Map<string, FileTexts>();
  for (const name of names) {
    const member = members.get(`${name}.npy`);
    if (member === undefined) continue;
    problems.attempt(() => {
      if (isIds(name)) ids.set(name, textsInMemory(member, file, name));
      else numbers.set(name, arrayInMemory(member, file, name));
    });
  }
  problems.add(...missingArrays(file, wanted, files));
  problems.throwIfAny();
  return { numbers, ids };
}

function nameOf(member: string): string {
  return member.replace(/\.npy$/, '');
}

function missingArrays(
  file: string,
  { required, expected }: WantedArrays,
  files: readonly string[],
): Diagnostic[] {
  const found = files.map(nameOf);
  const got = found.slice(0, 12).join(', ') || 'no arrays';
  return required(found)
    .filter(name => !files.includes(`${name}.npy`))
    .map(name => ({
      code: 'data/npz-missing',
      message: `the file has no array ${name}`,
      file,
      expected,
      got,
    }));
}
