/** Parses YAML 1.2 into a tree with positions. Rejects features that a config does not need. */
import { isAlias, isMap, isScalar, isSeq, parseDocument, type YAMLMap, type Node as YamlNode } from 'yaml';
import type { Diagnostic } from '../../util/errors.js';
import { diagnosticAt, type Place, type SourceText } from './source.js';
import { describeSyntaxErrors, findDeepNesting, MAX_DEPTH } from './syntax.js';
import { type Entry, type MapNode, type Node, PROTOTYPE_KEYS, type Scalar } from './tree.js';

/** With aliases expanded. A config has about fifty; more are an attack or an accident. */
const MAX_NODES = 10_000;

const MAX_QUOTED = 80;

/** `root` is undefined if the text is not a YAML mapping. Else each problem is about one node. */
export interface Parsed {
  readonly root?: MapNode;
  readonly problems: readonly Diagnostic[];
}

export function parseConfig(source: SourceText): Parsed {
  const { node, problems } = parseText(source);
  if (node === undefined || node.kind === 'broken') return { problems };
  if (node.kind === 'map') return { root: node, problems };
  const text = source.text.slice(node.place.start, node.place.end).trim().split('\n')[0];
  const message = 'a config must be a mapping of keys to values';
  const more = { expected: 'lines such as `name: my-experiment`', got: shorten(text) };
  return { problems: [...problems, diagnosticAt(node.place, 'config/not-a-mapping', message, more)] };
}

/**
 * Parses one value; without a node if the text is not YAML, empty or too large.
 * @param text the text to parse, at the same offsets as in the source; default: the whole source
 */
export function parseText(
  source: SourceText,
  text: string = source.text,
): { node?: Node; problems: readonly Diagnostic[] } {
  const deep = findDeepNesting(source, text);
  if (deep !== undefined) return { problems: [deep] };
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    prettyErrors: false,
    // checked below: the library's check is quadratic and does not report where the first key is
    uniqueKeys: false,
    // lets the library report further documents; it prints nothing here
    logLevel: 'error',
  });
  const directives = document.warnings.filter(warning => warning.code === 'BAD_DIRECTIVE');
  const errors = [...document.errors, ...directives];
  if (errors.length > 0) return { problems: describeSyntaxErrors(source, text, errors) };
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null && !contents.source))
    return { problems: [diagnosticAt(source.place(0), 'config/empty', 'the file is empty')] };
  const builder = new TreeBuilder(source);
  const node = builder.build(contents as YamlNode, 0);
  const { problems, exhausted } = builder;
  return exhausted ? { problems } : { node, problems };
}

/** Walks the library's document in order: an alias refers to the last anchor of its name. */
class TreeBuilder {
  readonly problems: Diagnostic[] = [];
  /** True once `MAX_NODES` is exceeded. The tree is then incomplete. */
  exhausted = false;
  private readonly anchors = new Map<string, { readonly node: Node; readonly size: number }>();
  private count = 0;

  constructor(private readonly source: SourceText) {}

  build(node: YamlNode | null, depth: number, fallback?: Place): Node {
    const place = this.placeOf(node, fallback);
    this.count++;
    if (this.count > MAX_NODES) return this.giveUp(place);
    if (depth > MAX_DEPTH)
      return this.broken('config/too-deep', 'the nesting is too deep', place, `at most ${MAX_DEPTH} levels`);
    if (node === null) return { kind: 'scalar', value: null, written: '', place };
    if (isAlias(node)) return this.resolveAlias(node.source, place);
    if (node.tag !== undefined) return this.unsupportedTag(node.tag, place);
    const before = this.count - 1;
    const built = this.buildPlain(node, depth, place);
    if ('anchor' in node && typeof node.anchor === 'string')
      this.anchors.set(node.anchor, { node: built, size: this.count - before });
    return built;
  }

  private buildPlain(node: YamlNode, depth: number, place: Place): Node {
    if (isMap(node)) return { kind: 'map', entries: this.buildEntries(node, depth), place };
    if (!isSeq(node)) return this.buildScalar(isScalar(node) ? node.value : null, place);
    const items: Node[] = [];
    for (const item of node.items) {
      if (this.exhausted) break;
      items.push(this.build(item as YamlNode | null, depth + 1, place));
    }
    return { kind: 'list', items, place };
  }

  private buildEntries(map: YAMLMap, depth: number): Map<string, Entry> {
    const entries = new Map<string, Entry>();
    for (const pair of map.items) {
      if (this.exhausted) break;
      const key = this.placeOf(pair.key as YamlNode | null);
      const name = this.keyName(pair.key as YamlNode | null, key);
      // built even under a rejected key, so that its anchors are known and its errors reported
      const value = this.build(pair.value as YamlNode | null, depth + 1, key);
      if (name === undefined) continue;
      const earlier = entries.get(name)?.key;
      if (earlier === undefined) entries.set(name, { key, value });
      else {
        const message = `duplicate key \`${shorten(name)}\`, first set on line ${earlier.text.lineAt(earlier.start)}`;
        this.broken('config/duplicate-key', message, key, 'each key once');
      }
    }
    return entries;
  }

  private keyName(key: YamlNode | null, place: Place): string | undefined {
    const name = isScalar(key) ? key.value : undefined;
    if (typeof name !== 'string') {
      const written = isScalar(key) ? this.source.text.slice(place.start, place.end) : undefined;
      const isMissing = key === null || written === '';
      const message = isMissing ? 'a key is missing before the colon' : `a key must be a string`;
      this.broken('config/key', message, place, 'a name');
    } else if (name === '<<') {
      const expected = '`extends` for another file, or the keys themselves';
      this.broken('config/merge-key', 'merge keys (`<<`) are not part of YAML 1.2', place, expected);
    } else if (PROTOTYPE_KEYS.has(name)) {
      this.broken('config/forbidden-key', `the key \`${name}\` is not allowed`, place);
    } else if (key?.tag !== undefined) {
      this.unsupportedTag(key.tag, place);
    } else return name;
    return undefined;
  }

  private unsupportedTag(tag: string, place: Place): Node {
    const short = shorten(tag.replace(/^tag:yaml\.org,2002:/, '!!'));
    return this.broken('config/tag', `the tag ${short} is not supported in a config`, place, 'a plain value');
  }

  private buildScalar(value: unknown, place: Place): Node {
    const written = this.source.text.slice(place.start, place.end);
    if (typeof value === 'number' && !Number.isFinite(value)) {
      const message = `${shorten(written)} is not a finite number`;
      return this.broken('config/not-finite', message, place, 'a finite number');
    }
    if (typeof value === 'number' && isRounded(value, written)) {
      const message = `${shorten(written)} cannot be represented exactly; it would become ${BigInt(value)}`;
      return this.broken('config/inexact', message, place, 'an integer with at most 15 digits');
    }
    if (typeof value === 'string' && value.includes('\0'))
      return this.broken('config/control-character', 'the string contains a NUL character', place);
    return { kind: 'scalar', value: value as Scalar, written, place };
  }

  private resolveAlias(name: string, place: Place): Node {
    const target = this.anchors.get(name);
    if (target === undefined) {
      const message = `the alias *${shorten(name)} has no anchor before it`;
      const expected = `\`&name\` earlier in the file, or quotes: "*${shorten(name)}"`;
      return this.broken('config/alias', message, place, expected);
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
    this.problems.push(diagnosticAt(place, code, message, { expected }));
    return { kind: 'broken', place };
  }

  private placeOf(node: YamlNode | null, fallback?: Place): Place {
    const [start, end] = node?.range ?? [0, 0];
    return end > start ? this.source.place(start, end) : (fallback ?? this.source.place(start));
  }
}

/** True if the double differs from the integer as written. */
function isRounded(value: number, written: string): boolean {
  if (Number.isSafeInteger(value) || !/^([-+]?\d+|0x[\da-fA-F]+|0o[0-7]+)$/.test(written)) return false;
  return BigInt(written.replace('+', '')) !== BigInt(value);
}

/** Keeps the message short; the source line below it has the whole text. */
function shorten(text: string): string {
  return text.length > MAX_QUOTED ? `${text.slice(0, MAX_QUOTED)}…` : text;
}
