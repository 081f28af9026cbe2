/** Reads the content of an IDX file, raw or gzip, for the kinds `idx` and `mnist`. */

import { type IdxSource, statedBytes } from '../formats/idx.js';
import { decompressed, decompressedBeginning, type SourceFile } from '../reading/files.js';
import { MAX_BYTES } from '../reading/limits.js';

/** Number of excess bytes to decompress, so that an error can give their offset. */
const EXCESS_BYTES = 2 ** 20;

/**
 * Decompresses no more than the header states (plus {@link EXCESS_BYTES}), so that a small file
 * cannot exhaust memory. If the header is invalid, decompresses only the start of the file, which
 * is enough for the error.
 * @throws UserError (exit 5) if the gzip stream is damaged
 */
export function idxContent({ name, bytes }: SourceFile): IdxSource {
  const beginning = decompressedBeginning(bytes, name);
  if (beginning === undefined) return { file: name, bytes };
  const stated = statedBytes(beginning);
  const isUsable = stated !== undefined && stated <= MAX_BYTES;
  const content = isUsable ? decompressed(bytes, name, stated + EXCESS_BYTES) : beginning;
  return { file: name, bytes: content, zipped: true };
}
