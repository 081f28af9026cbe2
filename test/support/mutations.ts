/** Random damage to bytes, texts and JSON values, determined by the random stream. */
import type { Json } from '../../src/run/json.js';
import type { RandomStream } from '../../src/util/random.js';

export function pick<T>(random: RandomStream, choices: readonly T[]): T {
  return choices[random.integer(choices.length)];
}

/** True with probability 1/n. */
export function onceIn(random: RandomStream, n: number): boolean {
  return random.integer(n) === 0;
}

/** A number of changes from 1 to 8, each half as likely as the one before. */
function rounds(random: RandomStream): number {
  let count = 1;
  while (count < 8 && random.integer(2) === 0) count++;
  return count;
}

/** Values at which sizes, counts and offsets overflow. */
const EDGES = [0, 1, 7, 8, 15, 16, 31, 32, 53, 63, 64].flatMap(bits => [
  1n << BigInt(bits),
  (1n << BigInt(bits)) - 1n,
]);

const NOTHING = Buffer.alloc(0);

/** A copy of `bytes` with one or a few changes, some of which insert a part of `other`. */
export function mutateBytes(bytes: Buffer, random: RandomStream, other: Buffer = bytes): Buffer {
  let result = bytes;
  for (let left = rounds(random); left > 0; left--) result = changeBytes(result, random, other);
  return result;
}

function changeBytes(bytes: Buffer, random: RandomStream, other: Buffer): Buffer {
  if (bytes.length === 0) return other.subarray(0, random.integer(32));
  const at = random.integer(bytes.length);
  // change headers more often, which are at both ends
  const near = onceIn(random, 2)
    ? at
    : onceIn(random, 3)
      ? bytes.length - 1 - random.integer(Math.min(bytes.length, 128))
      : random.integer(Math.min(bytes.length, 128));
  const copy = Buffer.from(bytes);
  switch (random.integer(9)) {
    case 0:
      copy[near] ^= 1 << random.integer(8);
      return copy;
    case 1:
      copy[near] = pick(random, [0, 1, 0x7f, 0x80, 0xff, 0x22, 0x2c, 0x0a, random.integer(256)]);
      return copy;
    case 2:
      return overwriteInteger(copy, near, random);
    case 3:
      return spliced(bytes, near, 1 + random.integer(16), NOTHING);
    case 4:
      return spliced(bytes, near, 0, randomBytes(random, 1 + random.integer(16)));
    case 5:
      return spliced(bytes, near, 0, bytes.subarray(at, at + random.integer(64)));
    case 6:
      return bytes.subarray(0, at);
    case 7: {
      const from = random.integer(other.length + 1);
      return spliced(bytes, near, random.integer(64), other.subarray(from, from + random.integer(64)));
    }
    default:
      return copy.fill(pick(random, [0, 0xff]), near, Math.min(near + 1 + random.integer(64), copy.length));
  }
}

function overwriteInteger(bytes: Buffer, at: number, random: RandomStream): Buffer {
  const value = pick(random, EDGES);
  const size = pick(random, [2, 4, 8]);
  for (let i = 0; i < size && at + i < bytes.length; i++) {
    const shift = BigInt(8 * i);
    bytes[at + i] = Number((value >> shift) & 0xffn);
  }
  if (onceIn(random, 2)) bytes.subarray(at, at + size).reverse();
  return bytes;
}

function randomBytes(random: RandomStream, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.integer(256)));
}

function spliced(bytes: Buffer, at: number, remove: number, insert: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
}

/** Pieces of YAML, JSON, CSV, headers of arrays, and texts. */
const TOKENS = [
  ...'[ ] { } ( ) : , ,, ? " "" | >- # ; = @ ` ~ // / \\ . a g w'.split(' '),
  ...'0 -0 -1 -100 1e9 1e999 9007199254740993 0x1 0o7 1_0 nan inf .nan -.inf null true yes None 1L'.split(
    ' ',
  ),
  ..."2024-01-01 2024-02-31 2024-01-01T25:00 2001-01-01 F32 BF16 <f4 |O >i8 <U9999 'descr'".split(' '),
  ...'"a": {"a": [[ "seq":0 "event":"run.end" "shape" "w": __metadata__ completed webasm'.split(' '),
  ...'&a *a <<: extends: kind: constructor: "__proto__": __proto__ <unk> <eos> \\u0000 \\ud800'.split(' '),
  ...['- ', ': ', ', ', '!t ', '!!binary ', '%YAML 1.1\n', '---\n', '...\n', '{}\n', '[]\n', '1\n', '[0]'],
  ...[' ', '  ', '\n', '\r\n', '\r', '\t', '\0', '\uFEFF', '\u2028', '٣', '🥊', "'", '9'.repeat(20)],
];

/** A copy of `text` with parts of it, and tokens, inserted, removed, repeated and swapped. */
export function mutateText(text: string, random: RandomStream): string {
  let result = text;
  for (let left = rounds(random); left > 0; left--) {
    const at = random.integer(result.length + 1);
    const piece = onceIn(random, 4) ? result.slice(at, at + random.integer(40)) : pick(random, TOKENS);
    const times = onceIn(random, 6) ? 1 + random.integer(200) : 1;
    const remove = onceIn(random, 2) ? 0 : random.integer(24);
    result = result.slice(0, at) + piece.repeat(times).slice(0, 2000) + result.slice(at + remove);
    if (onceIn(random, 8)) result = swapLines(result, random);
  }
  return result.slice(0, 65_000);
}

function swapLines(text: string, random: RandomStream): string {
  const lines = text.split('\n');
  const [a, b] = [random.integer(lines.length), random.integer(lines.length)];
  [lines[a], lines[b]] = [lines[b], lines[a]];
  return lines.join('\n');
}

const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'length',
  '',
  'kind',
  'x'.repeat(300),
  '0',
  'a.b',
  '\0',
];

/** Values that a reader may mistake for valid ones. */
const VALUES: readonly Json[] = [
  ...[null, true, false, [], {}, [[]], [null], [-1], { kind: null }],
  ...[0, -0, -1, 1, 0.5, 1e308, 5e-324, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 + 2],
  ...['', '0', 'nan', '../../x', '/dev/zero', 'a\u0000b', '\ud800', 'x'.repeat(5000)],
];

/**
 * A copy of `value` with one or a few changes anywhere in it.
 * @param more further values to insert, which have a meaning for the reader
 */
export function mutateJson(value: Json, random: RandomStream, more: readonly Json[] = []): Json {
  let result = value;
  for (let left = rounds(random); left > 0; left--) result = changeJson(result, random, [...VALUES, ...more]);
  return result;
}

function changeJson(value: Json, random: RandomStream, values: readonly Json[]): Json {
  const isLeaf = typeof value !== 'object' || value === null || Object.keys(value).length === 0;
  if (isLeaf || onceIn(random, 12)) return replacement(value, random, values);
  if (Array.isArray(value)) return changeList(value, random, values);
  return changeObject(value as { readonly [key: string]: Json }, random, values);
}

function replacement(value: Json, random: RandomStream, values: readonly Json[]): Json {
  switch (random.integer(5)) {
    case 0:
      return nested(value, 1 + random.integer(60));
    case 1:
      return typeof value === 'number' ? value * pick(random, [-1, 2, 0.1, 1e9]) : JSON.stringify(value);
    default:
      return pick(random, values);
  }
}

function nested(value: Json, depth: number): Json {
  let result = value;
  for (let i = 0; i < depth; i++) result = i % 2 ? { a: result } : [result];
  return result;
}

function changeList(list: readonly Json[], random: RandomStream, values: readonly Json[]): Json {
  const at = random.integer(list.length);
  switch (random.integer(4)) {
    case 0:
      return list.filter((_, i) => i !== at);
    case 1:
      return [...list, ...Array.from({ length: onceIn(random, 8) ? 500 : 1 }, () => list[at])];
    default:
      return list.map((item, i) => (i === at ? changeJson(item, random, values) : item));
  }
}

function changeObject(
  object: { readonly [key: string]: Json },
  random: RandomStream,
  values: readonly Json[],
): Json {
  const entries = Object.entries(object);
  const at = random.integer(entries.length);
  const [key, inner] = entries[at];
  switch (random.integer(6)) {
    case 0:
      return Object.fromEntries(entries.filter((_, i) => i !== at));
    case 1: {
      const name = onceIn(random, 2) ? pick(random, NAMES) : key.slice(0, -1) + pick(random, ['', 's', 'x']);
      return Object.fromEntries(entries.map(([k, v], i) => [i === at ? name : k, v]));
    }
    case 2:
      return Object.fromEntries([...entries, [pick(random, NAMES), pick(random, values)]]);
    default:
      return Object.fromEntries(
        entries.map(([k, v], i) => [k, i === at ? changeJson(inner, random, values) : v]),
      );
  }
}
