/** The content of an IDX file, raw or gzip, for the kinds `idx` and `mnist`. */

import { type IdxSource, statedBytes } from '../formats/idx.js';
import { decompressed, decompressedBeginning, type SourceFile } from '../reading/files.js';
import { MAX_BYTES } from '../reading/limits.js';

/** What a file may have after its last value for that to be told at its offset. */
const EXCESS_BYTES = 2 ** 20;

/**
 * No more is decompressed than the header states, so that a small file cannot take the machine's
 * memory; of one whose header is wrong just the beginning, which is all that the complaint needs.
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
