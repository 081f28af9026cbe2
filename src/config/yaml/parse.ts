/** YAML 1.2 text -> located tree, with everything refused that a config has no use for. */
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
import { findDeepNesting, MAX_DEPTH } from './depth.js';
import { type Place, positionOf, type SourceText } from './source.js';
import { describeSyntaxErrors } from './syntax.js';
import { type Entry, type MapNode, type Node, PROTOTYPE_KEYS, type Scalar } from './tree.js';

/** A config has some fifty values; aliases that multiply beyond this are an attack or an accident. */
const MAX_NODES = 10_000;

/** Characters of the config that a message repeats. */
const MAX_QUOTED = 80;

/** `root` is undefined where the text is no YAML mapping at all; otherwise problems are those of single nodes. */
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
  const problem = complain(
    'config/not-a-mapping',
    'a config must be a mapping of keys to values',
    node.place,
  );
  const text = source.text.slice(node.place.start, node.place.end).trim().split('\n')[0];
  return {
    problems: [
      ...problems,
      { ...problem, expected: 'lines such as `name: my-experiment`', got: shorten(text) },
    ],
  };
}

/**
 * Parses one value. `fatal` says that the text is no YAML.
 * @param text what to parse, where that is not all of the source; offsets are those of the source
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
      // Checked here, with the place of the first one; the library's check is quadratic.
      uniqueKeys: false,
      // Lets the library report further documents; it prints nothing here.
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
    return { problems: [complain('config/empty', 'the file is empty', place)], fatal: true };
  }
  const builder = new TreeBuilder(source);
  const node = builder.build(document.contents as YamlNode, 0);
  return { node, problems: builder.problems, fatal: builder.exhausted };
}

/** The library makes an error of everything that is wrong, and the stacks of thousands, which nobody reads, cost a second. */
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

function complain(code: string, message: string, place: Place): Diagnostic {
  return { code, message, ...positionOf(place) };
}

/** Walks the library's document once, in order, so that an alias finds the latest anchor before it. */
class TreeBuilder {
  readonly problems: Diagnostic[] = [];
  /** Set once the node budget is spent; the tree is then incomplete. */
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
      const message = `the tag ${shortTag(node.tag)} has no meaning in a config`;
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
    return this.broken('config/syntax', 'this is not a value', place);
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
      // Built even under a refused key, so that anchors in it are known and errors in it are told.
      const value = this.build(pair.value as YamlNode | null, depth + 1, key);
      const earlier = name === undefined ? undefined : entries.get(name);
      if (name === undefined) continue;
      if (earlier !== undefined) this.complainTwice(name, key, earlier.key);
      else entries.set(name, { key, value });
    }
    return entries;
  }

  private complainTwice(name: string, key: Place, earlier: Place): void {
    const { line } = earlier.text.locate(earlier.start);
    const message = `the key \`${shorten(name)}\` is already on line ${line}`;
    this.problems.push({ ...complain('config/duplicate-key', message, key), expected: 'each key once' });
  }

  /** The key's text, or undefined after complaining about it. */
  private keyName(key: YamlNode | null, place: Place): string | undefined {
    if (key === null || !isScalar(key)) {
      this.broken('config/key', 'a key must be a plain name', place, 'a string');
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
      const problem = complain('config/merge-key', 'merge keys (`<<`) are not part of YAML 1.2', place);
      this.problems.push({ ...problem, expected: '`extends` for another file, or the keys themselves' });
      return undefined;
    }
    if (PROTOTYPE_KEYS.has(name)) {
      this.broken('config/forbidden-key', `the key \`${name}\` is not allowed`, place);
      return undefined;
    }
    if (key.tag !== undefined) {
      this.broken('config/tag', `the tag ${shortTag(key.tag)} has no meaning in a config`, place);
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
      const message = `${shorten(written)} is no number that can be held exactly; it would become ${BigInt(value)}`;
      return this.broken('config/inexact', message, place, 'a whole number with at most 15 digits');
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
      const expected = known === '' ? 'an anchor (`&name`) earlier in the file' : known;
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
        `the alias *${shorten(alias.source)} stands inside what it refers to`,
        place,
      );
    }
    this.count += target.size;
    return this.count > MAX_NODES ? this.giveUp(place) : target.node;
  }

  private giveUp(place: Place): Node {
    if (this.exhausted) return { kind: 'broken', place };
    this.exhausted = true;
    const message = 'the config has too many values, counting what aliases repeat';
    return this.broken('config/too-many-values', message, place, `at most ${MAX_NODES}`);
  }

  private broken(code: string, message: string, place: Place, expected?: string): Node {
    const problem = complain(code, message, place);
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

/** Whether the whole number that is written is not the one that a double made of it. */
function isRounded(value: number, written: string): boolean {
  if (Number.isSafeInteger(value) || !/^([-+]?\d+|0x[\da-fA-F]+|0o[0-7]+)$/.test(written)) return false;
  return BigInt(written.replace('+', '')) !== BigInt(value);
}

function shortTag(tag: string): string {
  return shorten(tag.startsWith('tag:yaml.org,2002:') ? `!!${tag.slice('tag:yaml.org,2002:'.length)}` : tag);
}

/** A message stays a sentence; the whole text stands in the source line below it. */
function shorten(text: string): string {
  return text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
}
