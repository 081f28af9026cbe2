/** Parses YAML 1.2 into a tree with positions. Rejects features that a config does not need. */
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
  type Node as YamlNode,
} from 'yaml';
import type { Diagnostic } from '../../util/errors.js';

import { type Place, positionOf, type SourceText } from './source.js';
import { describeSyntaxErrors, findDeepNesting, MAX_DEPTH } from './syntax.js';
import { type Entry, type MapNode, type Node, PROTOTYPE_KEYS, type Scalar } from './tree.js';

/**
 * Maximum number of values, with aliases expanded. A config has about fifty; more are an attack or
 * an accident.
 */
const MAX_NODES = 10_000;

/** Maximum number of characters of the config that a message quotes. */
const MAX_QUOTED = 80;

/**
 * `root` is undefined if the text is not a YAML mapping. Otherwise each problem is about a single
 * node.
 */
export interface Parsed {
  readonly root?: MapNode;
  readonly problems: readonly Diagnostic[];
}

/** Parses a whole config file. Never throws for bad text. */
export function parseConfig(source: SourceText): Parsed {
  const { node, problems, fatal } = parseText(source);
  if (fatal || node === undefined) return { problems };
  if (node.kind === 'map') return { root: node, problems };
  if (node.kind === 'broken') return { problems };
  const problem = report('config/not-a-mapping', 'a config must be a mapping of keys to values', node.place);
  const text = source.text.slice(node.place.start, node.place.end).trim().split('\n')[0];
  return {
    problems: [
      ...problems,
      { ...problem, expected: 'lines such as `name: my-experiment`', got: shorten(text) },
    ],
  };
}

/**
 * Parses one value. `fatal` is true if the text is not YAML, empty or too large.
 * @param text the text to parse, at the same offsets as in the source; default: the whole source
 */
export function parseText(
  source: SourceText,
  text: string = source.text,
): {
  node?: Node;
  problems: readonly Diagnostic[];
  fatal: boolean;
} {
  const deep = findDeepNesting(source, text);
  if (deep !== undefined) return { problems: [deep], fatal: true };
  const document = withoutStacks(() =>
    parseDocument(text, {
      version: '1.2',
      schema: 'core',
      merge: false,
      prettyErrors: false,
      // checked below: the library's check is quadratic and does not report where the first key is
      uniqueKeys: false,
      // lets the library report further documents; it prints nothing here
      logLevel: 'error',
    }),
  );
  const errors = [
    ...document.errors,
    ...document.warnings.filter(warning => warning.code === 'BAD_DIRECTIVE'),
  ];
  if (errors.length > 0) return { problems: describeSyntaxErrors(source, text, errors), fatal: true };
  if (document.contents === null || (isScalar(document.contents) && isEmptyScalar(document.contents))) {
    const place = source.place(0);
    return { problems: [report('config/empty', 'the file is empty', place)], fatal: true };
  }
  const builder = new TreeBuilder(source);
  const node = builder.build(document.contents as YamlNode, 0);
  return { node, problems: builder.problems, fatal: builder.exhausted };
}

/** Turns off stack traces, which take a second if the library creates thousands of errors. */
function withoutStacks<T>(action: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return action();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function isEmptyScalar(node: { source?: string; value: unknown }): boolean {
  return node.value === null && (node.source === undefined || node.source === '');
}

function report(code: string, message: string, place: Place): Diagnostic {
  return { code, message, ...positionOf(place) };
}

/**
 * Walks the library's document once, in order, so that an alias refers to the last anchor of its
 * name before it.
 */
class TreeBuilder {
  readonly problems: Diagnostic[] = [];
  /** True once `MAX_NODES` is exceeded. The tree is then incomplete. */
  exhausted = false;
  private readonly anchors = new Map<string, { node?: Node; size: number }>();
  private count = 0;

  constructor(private readonly source: SourceText) {}

  build(node: YamlNode | null, depth: number, fallback?: Place): Node {
    const place = this.placeOf(node, fallback);
    this.count++;
    if (this.count > MAX_NODES) return this.giveUp(place);
    if (depth > MAX_DEPTH) {
      return this.broken('config/too-deep', 'the nesting is too deep', place, `at most ${MAX_DEPTH} levels`);
    }
    if (node === null) return { kind: 'scalar', value: null, written: '', place };
    if (isAlias(node)) return this.resolveAlias(node, place);
    if (node.tag !== undefined) {
      const message = `the tag ${shortTag(node.tag)} is not supported in a config`;
      return this.broken('config/tag', message, place, 'a plain value');
    }
    const anchor = 'anchor' in node && typeof node.anchor === 'string' ? node.anchor : undefined;
    const before = this.count;
    if (anchor !== undefined) this.anchors.set(anchor, { size: 0 });
    const built = this.buildPlain(node, depth, place);
    if (anchor !== undefined) this.anchors.set(anchor, { node: built, size: this.count - before + 1 });
    return built;
  }

  private buildPlain(node: YamlNode, depth: number, place: Place): Node {
    if (isMap(node)) return { kind: 'map', entries: this.buildEntries(node, depth), place };
    if (isSeq(node)) return { kind: 'list', items: this.buildItems(node, depth, place), place };
    if (isScalar(node)) return this.buildScalar(node.value, place);
    return this.broken('config/syntax', 'not a value', place);
  }

  private buildItems(list: YAMLSeq, depth: number, place: Place): Node[] {
    const items: Node[] = [];
    for (const item of list.items) {
      if (this.exhausted) break;
      items.push(this.build(item as YamlNode | null, depth + 1, place));
    }
    return items;
  }

  private buildEntries(map: YAMLMap, depth: number): Map<string, Entry> {
    const entries = new Map<string, Entry>();
    for (const pair of map.items) {
      if (this.exhausted) break;
      const key = this.placeOf(pair.key as YamlNode | null);
      const name = this.keyName(pair.key as YamlNode | null, key);
      // built even under a rejected key, so that its anchors are known and its errors reported
      const value = this.build(pair.value as YamlNode | null, depth + 1, key);
      const earlier = name === undefined ? undefined : entries.get(name);
      if (name === undefined) continue;
      if (earlier !== undefined) this.reportDuplicate(name, key, earlier.key);
      else entries.set(name, { key, value });
    }
    return entries;
  }

  private reportDuplicate(name: string, key: Place, earlier: Place): void {
    const { line } = earlier.text.locate(earlier.start);
    const message = `duplicate key \`${shorten(name)}\`, first set on line ${line}`;
    this.problems.push({ ...report('config/duplicate-key', message, key), expected: 'each key once' });
  }

  /** Returns the key's text, or reports a problem and returns undefined. */
  private keyName(key: YamlNode | null, place: Place): string | undefined {
    if (key === null || !isScalar(key)) {
      this.broken('config/key', 'a key must be a string', place, 'a name');
      return undefined;
    }
    const name = key.value;
    if (typeof name !== 'string') {
      const written = this.source.text.slice(place.start, place.end);
      const message =
        written === '' ? 'a key is missing before the colon' : `the key ${shorten(written)} is not a string`;
      this.broken('config/key', message, place, 'a name');
      return undefined;
    }
    if (name === '<<') {
      const problem = report('config/merge-key', 'merge keys (`<<`) are not part of YAML 1.2', place);
      this.problems.push({ ...problem, expected: '`extends` for another file, or the keys themselves' });
      return undefined;
    }
    if (PROTOTYPE_KEYS.has(name)) {
      this.broken('config/forbidden-key', `the key \`${name}\` is not allowed`, place);
      return undefined;
    }
    if (key.tag !== undefined) {
      this.broken('config/tag', `the tag ${shortTag(key.tag)} is not supported in a config`, place);
      return undefined;
    }
    return name;
  }

  private buildScalar(value: unknown, place: Place): Node {
    const written = this.source.text.slice(place.start, place.end);
    if (typeof value === 'number' && !Number.isFinite(value)) {
      return this.broken(
        'config/not-finite',
        `${shorten(written)} is not a finite number`,
        place,
        'a finite number',
      );
    }
    if (typeof value === 'number' && isRounded(value, written)) {
      const message = `${shorten(written)} cannot be represented exactly; it would become ${BigInt(value)}`;
      return this.broken('config/inexact', message, place, 'an integer with at most 15 digits');
    }
    if (typeof value === 'string' && value.includes('\0')) {
      return this.broken('config/control-character', 'the string contains a NUL character', place);
    }
    return { kind: 'scalar', value: value as Scalar, written, place };
  }

  private resolveAlias(alias: Alias, place: Place): Node {
    const target = this.anchors.get(alias.source);
    if (target === undefined) {
      const known = shorten([...this.anchors.keys()].map(name => `*${name}`).join(', '));
      const isPattern = /[*/.]/.test(alias.source);
      const expected = isPattern
        ? `a pattern that begins with * in quotes: "*${shorten(alias.source)}"`
        : known === ''
          ? 'an anchor (`&name`) earlier in the file'
          : known;
      return this.broken(
        'config/alias',
        `the alias *${shorten(alias.source)} has no anchor before it`,
        place,
        expected,
      );
    }
    if (target.node === undefined) {
      return this.broken(
        'config/alias',
        `the alias *${shorten(alias.source)} is inside its own anchor`,
        place,
      );
    }
    this.count += target.size;
    return this.count > MAX_NODES ? this.giveUp(place) : target.node;
  }

  private giveUp(place: Place): Node {
    if (this.exhausted) return { kind: 'broken', place };
    this.exhausted = true;
    const message = 'the config has too many values, with aliases expanded';
    return this.broken('config/too-many-values', message, place, `at most ${MAX_NODES}`);
  }

  private broken(code: string, message: string, place: Place, expected?: string): Node {
    const problem = report(code, message, place);
    this.problems.push(expected === undefined ? problem : { ...problem, expected });
    return { kind: 'broken', place };
  }

  private placeOf(node: YamlNode | null, fallback?: Place): Place {
    const range = node?.range;
    if (range !== undefined && range !== null && range[1] > range[0]) {
      return this.source.place(range[0], range[1]);
    }
    if (fallback !== undefined) return fallback;
    return this.source.place(range?.[0] ?? 0);
  }
}

/** True if the double differs from the integer as written. */
function isRounded(value: number, written: string): boolean {
  if (Number.isSafeInteger(value) || !/^([-+]?\d+|0x[\da-fA-F]+|0o[0-7]+)$/.test(written)) return false;
  return BigInt(written.replace('+', '')) !== BigInt(value);
}

function shortTag(tag: string): string {
  return shorten(tag.startsWith('tag:yaml.org,2002:') ? `!!${tag.slice('tag:yaml.org,2002:'.length)}` : tag);
}

/** Keeps the message short; the source line below it has the whole text. */
function shorten(text: string): string {
  return text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
}
