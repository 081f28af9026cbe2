/** What the user probably meant. */
import { distance } from 'fastest-levenshtein';
import { allKeys, type Branch, type KnownKey, type Schema } from '../schema/walk.js';

/** Longer words are no typing slips of ours, and comparing them costs their product. */
const MAX_WORD = 64;

/** The nearest of the candidates, when it is near enough to be a slip: a third of its letters, two at least. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > MAX_WORD) return undefined;
  const wanted = normalize(word);
  if (wanted === '') return undefined;
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const plain = normalize(candidate);
    const allowed = Math.min(wanted.length - 1, Math.max(1, Math.floor(candidate.length / 3)));
    // so many letters are missing or too much at least
    if (Math.abs(plain.length - wanted.length) > allowed) continue;
    const far = slips(wanted, plain);
    if (far <= allowed && far < bestDistance) {
      best = candidate;
      bestDistance = far;
    }
  }
  return best;
}

/** Levenshtein's distance, but two neighbours in the wrong order, such as `nmae`, are one slip instead of two. */
function slips(word: string, candidate: string): number {
  let fewest = distance(word, candidate);
  for (let i = 0; i + 1 < word.length && fewest > 1; i++) {
    const swapped = word.slice(0, i) + word[i + 1] + word[i] + word.slice(i + 2);
    fewest = Math.min(fewest, 1 + distance(swapped, candidate));
  }
  return fewest;
}

/** Case and word separators are the commonest slips: `learningRate`, `Learning-Rate`. */
function normalize(word: string): string {
  return word.toLowerCase().replace(/[_\-. ]/g, '');
}

/** The key among `properties` that an unknown key means: a near spelling, or a name that other tools use. */
export function meantKey(word: string, properties: ReadonlyMap<string, Schema>): string | undefined {
  const wanted = normalize(word);
  for (const [key, schema] of properties) {
    if ((schema['x-aliases'] ?? []).some(alias => normalize(alias) === wanted)) return key;
  }
  return nearest(word, [...properties.keys()]);
}

/**
 * The branch of a union that a tag means: by the name that PyTorch or another library has, or a
 * near spelling.
 */
export function meantTag(word: string, branches: readonly Branch[]): string | undefined {
  // `torch.optim.lr_scheduler.StepLR`, `nn.MSELoss`
  const name = word.slice(word.lastIndexOf('.') + 1);
  const wanted = normalize(name);
  const aliased = branches.find(({ schema }) =>
    (schema['x-aliases'] ?? []).some(alias => normalize(alias) === wanted),
  );
  return (
    aliased?.tag ??
    nearest(
      name,
      branches.map(({ tag }) => tag),
    )
  );
}

/** Where in the whole schema a key stands, by its exact name first, then by its aliases and near spellings. */
export function findElsewhere(word: string, root: Schema): readonly KnownKey[] {
  const wanted = normalize(word);
  const keys = allKeys(root);
  const name = (key: KnownKey): string => key.path[key.path.length - 1];
  const same = keys.filter(key => normalize(name(key)) === wanted);
  if (same.length > 0) return same;
  const aliased = keys.filter(key =>
    (key.schema['x-aliases'] ?? []).some(alias => normalize(alias) === wanted),
  );
  if (aliased.length > 0) return aliased;
  const near = nearest(word, keys.map(name));
  return near === undefined ? [] : keys.filter(key => name(key) === near);
}
