/** Guesses which of several words a misspelt one means. */

import { distance } from 'fastest-levenshtein';
import { basename, dirname, fs, join } from '../host/index.js';

/** Longer words are not misspelt keys, and comparing them is slow. */
const MAX_WORD = 64;

/** The nearest candidate, if it differs by at most a third of its letters (at least one). */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > MAX_WORD) return undefined;
  const given = normalize(word);
  if (given === '') return undefined;
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const plain = normalize(candidate);
    const allowed = Math.min(given.length - 1, Math.max(1, Math.floor(candidate.length / 3)));
    // a lower bound of the distance
    if (Math.abs(plain.length - given.length) > allowed) continue;
    const far = typos(given, plain, allowed);
    if (far <= allowed && far < bestDistance) {
      best = candidate;
      bestDistance = far;
    }
  }
  return best;
}

/**
 * Levenshtein distance, except that two swapped neighbours, such as in `nmae`, count as 1. Exact
 * only up to `allowed`.
 */
function typos(word: string, candidate: string, allowed: number): number {
  let fewest = distance(word, candidate);
  // a swap is two substitutions, so it saves one at most
  if (fewest > allowed + 1) return fewest;
  for (let i = 0; i + 1 < word.length && fewest > 1; i++) {
    const swapped = word.slice(0, i) + word[i + 1] + word[i] + word.slice(i + 2);
    fewest = Math.min(fewest, 1 + distance(swapped, candidate));
  }
  return fewest;
}

/** Ignores case and word separators, the most common mistakes: `learningRate`, `Learning-Rate`. */
export function normalize(word: string): string {
  return word.toLowerCase().replace(/[_\-. ]/g, '');
}

const MAX_FILE_TYPOS = 2;

function farFrom(word: string, candidate: string): number {
  const isFar = Math.abs(word.length - candidate.length) > MAX_FILE_TYPOS || word.length <= MAX_FILE_TYPOS;
  return isFar ? Number.POSITIVE_INFINITY : typos(word, candidate, MAX_FILE_TYPOS);
}

/** More entries of a folder are not compared. */
const MAX_ENTRIES = 10_000;

/** A file or folder beside `path`, which does not exist, with a similar name but not the same. */
export function nearestFile(path: string): string | undefined {
  try {
    const missing = basename(path);
    const wanted = normalize(missing);
    // a link that leads nowhere is an entry of the folder
    const names = fs
      .readdirSync(dirname(path))
      .slice(0, MAX_ENTRIES)
      .filter(name => name !== missing);
    // files of one kind have long names in common
    const similar = names.map(normalize).map((name, i) => ({ i, far: farFrom(wanted, name) }));
    const best = similar.reduce((a, b) => (b.far < a.far ? b : a), { i: -1, far: MAX_FILE_TYPOS + 1 });
    const found = names[best.i];
    return found === undefined ? undefined : join(dirname(path), found);
  } catch {
    return undefined;
  }
}
