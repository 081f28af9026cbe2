/** Cyclic redundancy checks, for hosts and formats for which Node's zlib has none. */

type Checksum = (bytes: Uint8Array, before?: number) => number;

/** @param polynomial of 32 bits, reflected */
function checksumOf(polynomial: number): Checksum {
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    return crc;
  });
  return (bytes, before = 0) => {
    let crc = ~before;
    for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
    return ~crc >>> 0;
  };
}

/**
 * CRC-32 of zip, gzip and PNG, an unsigned integer of 32 bits; `before` is that of the preceding
 * bytes.
 */
export const tableCrc32 = checksumOf(0xedb88320);

/** CRC-32C (Castagnoli), as in RFC 3720, appendix B.4. */
export const crc32c = checksumOf(0x82f63b78);
