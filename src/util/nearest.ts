/** Guesses which of several words a misspelt one means. */
import { distance } from 'fastest-levenshtein';

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
    const far = typos(given, plain);
    if (far <= allowed && far < bestDistance) {
      best = candidate;
      bestDistance = far;
    }
  }
  return best;
}

/** Levenshtein distance, except that two swapped neighbours, such as in `nmae`, count once. */
function typos(word: string, candidate: string): number {
  let fewest = distance(word, candidate);
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
