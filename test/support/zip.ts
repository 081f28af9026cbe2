/**
 * Writes zip archives byte by byte (PKWARE APPNOTE 4.3), so that every field can be wrong. Fields
 * are correct by default.
 */
import { deflateRawSync } from 'node:zlib';
import { crc32 } from '../../src/host/index.js';

interface Claims {
  readonly method: number;
  readonly flags: number;
  readonly crc: number;
  readonly size: number;
  readonly originalSize: number;
  readonly nameLength: number;
  readonly extra: Buffer;
  readonly offset: number;
}

export interface ZipMember {
  readonly name: string;
  readonly content: Buffer;
  readonly method: 0 | 8;
  readonly local?: Partial<Claims>;
  readonly central?: Partial<Claims>;
}

export interface ZipEnd {
  readonly count: number;
  readonly size: number;
  readonly offset: number;
  readonly comment: Buffer;
}

export function zipArchive(members: readonly ZipMember[], end: Partial<ZipEnd> = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const member of members) {
    const { name, content, method, local = {}, central = {} } = member;
    const stored = method === 8 ? deflateRawSync(content) : content;
    const honest: Claims = {
      method,
      flags: 0,
      crc: crc32(content),
      size: stored.length,
      originalSize: content.length,
      nameLength: Buffer.byteLength(name),
      extra: Buffer.alloc(0),
      offset: at,
    };
    const header = localHeader(name, { ...honest, ...local });
    parts.push(header, stored);
    directory.push(centralHeader(name, { ...honest, ...central }));
    at += header.length + stored.length;
  }
  const entries = Buffer.concat(directory);
  const comment = end.comment ?? Buffer.alloc(0);
  const tail = Buffer.alloc(22);
  tail.writeUInt32LE(0x06054b50, 0);
  tail.writeUInt16LE((end.count ?? members.length) & 0xffff, 8);
  tail.writeUInt16LE((end.count ?? members.length) & 0xffff, 10);
  tail.writeUInt32LE((end.size ?? entries.length) >>> 0, 12);
  tail.writeUInt32LE((end.offset ?? at) >>> 0, 16);
  tail.writeUInt16LE(comment.length & 0xffff, 20);
  return Buffer.concat([...parts, entries, tail, comment]);
}

function localHeader(name: string, claims: Claims): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(claims.flags, 6);
  header.writeUInt16LE(claims.method, 8);
  writeSizes(header, 14, claims);
  return Buffer.concat([header, Buffer.from(name), claims.extra]);
}

function centralHeader(name: string, claims: Claims): Buffer {
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(20, 4);
  header.writeUInt16LE(20, 6);
  header.writeUInt16LE(claims.flags, 8);
  header.writeUInt16LE(claims.method, 10);
  writeSizes(header, 16, claims);
  header.writeUInt32LE(claims.offset >>> 0, 42);
  return Buffer.concat([header, Buffer.from(name), claims.extra]);
}

/** Writes the fields that both headers share: checksum, sizes, and lengths of name and extra. */
function writeSizes(
  header: Buffer,
  at: number,
  { crc, size, originalSize, nameLength, extra }: Claims,
): void {
  header.writeUInt32LE(crc >>> 0, at);
  header.writeUInt32LE(size >>> 0, at + 4);
  header.writeUInt32LE(originalSize >>> 0, at + 8);
  header.writeUInt16LE(nameLength & 0xffff, at + 12);
  header.writeUInt16LE(extra.length & 0xffff, at + 14);
}
