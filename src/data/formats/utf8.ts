/** Text files: whether they are UTF-8, and how a string is cut into lines. */
import { isUtf8 } from 'node:buffer';
import { damagedError } from '../../errors.js';

/** @throws UserError exit 5 at the first byte that is not UTF-8, such as a character that is cut off at the end */
export function checkUtf8(bytes: Buffer, file: string): void {
  if (isUtf8(bytes)) return;
  throw damagedError({
    code: 'data/encoding',
    message: 'the file is not UTF-8 text',
    file,
    offset: firstBadByte(bytes),
    expected: 'UTF-8',
  });
}

/**
 * Where text stops being UTF-8, by halving: what comes before is, except for a character that is
 * cut off at its end.
 */
function firstBadByte(bytes: Buffer): number {
  let [good, bad] = [0, bytes.length];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isUtf8(bytes.subarray(0, wholeCharacters(bytes, middle)))) good = middle;
    else bad = middle;
  }
  const start = wholeCharacters(bytes, good);
  // a stray continuation byte belongs to no character
  return bytes[start] < 0x80 ? good : start;
}

/** `end`, or the beginning of the character that goes beyond it. */
function wholeCharacters(bytes: Buffer, end: number): number {
  let at = end;
  while (at > 0 && end - at < 4 && (bytes[at] & 0xc0) === 0x80) at--;
  return at;
}

/** Length of a byte order mark at the beginning, which is no part of the text. */
export function markLength(bytes: Buffer): number {
  return bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
}
