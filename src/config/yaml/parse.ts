/** Parses YAML 1.2 into a tree with positions. Rejects features that a config does not need. */
import {
  type ErrorCode,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  parseDocument,
  type YAMLError,
  type YAMLMap,
  type Node as YamlNode,
} from 'yaml';
import { caught, type Diagnostic, UserError, usageErrors } from '../../util/errors.js';
import {
  diagnosticAt,
  type Entry,
  type MapNode,
  type Node,
  type Place,
  PROTOTYPE_KEYS,
  type Scalar,
  type SourceText,
} from './tree.js';

/** With aliases expanded. A config has about fifty; more are an attack or an accident. */
const MAX_NODES = 10_000;

const MAX_QUOTED = 80;

/** `root` is undefined if the text is not a YAML mapping. Else each problem is about one node. */
interface Parsed {
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
  const { problems } = builder;
  const node = caught(() => builder.build(contents as YamlNode, 0));
  return node instanceof UserError ? { problems: [...problems, ...node.diagnostics] } : { node, problems };
}

/** Walks the library's document in order: an alias refers to the last anchor of its name. */
class TreeBuilder {
  readonly problems: Diagnostic[] = [];
  private readonly anchors = new Map<string, { readonly node: Node; readonly size: number }>();
  private count = 0;

  constructor(private readonly source: SourceText) {}

  build(node: YamlNode | null, depth: number, fallback?: Place): Node {
    const place = this.placeOf(node, fallback);
    this.add(1, place);
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
    const items = node.items.map(item => this.build(item as YamlNode | null, depth + 1, place));
    return { kind: 'list', items, place };
  }

  private buildEntries(map: YAMLMap, depth: number): Map<string, Entry> {
    const entries = new Map<string, Entry>();
    for (const pair of map.items) {
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
    this.add(target.size, place);
    return target.node;
  }

  private add(nodes: number, place: Place): void {
    this.count += nodes;
    if (this.count <= MAX_NODES) return;
    const message = 'the config has too many values, with aliases expanded';
    const expected = `at most ${MAX_NODES}`;
    throw usageErrors([diagnosticAt(place, 'config/too-many-values', message, { expected })]);
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

/** Far more than a config needs: five levels. */
const MAX_DEPTH = 32;

/** Deeper nesting overflows the stack of the parser. */
const MAX_OPEN = 500;
const MANY_INDICATORS = new RegExp(`(?:[-?:][ \\t]+){${MAX_OPEN}}`);

/**
 * Reports nesting that is too deep for the parser. Brackets within texts count as well, since no
 * config has that many unclosed ones.
 * @param text the text to parse, at the same offsets as in the source
 */
function findDeepNesting(source: SourceText, text: string): Diagnostic | undefined {
  let at = text.search(MANY_INDICATORS);
  let open = 0;
  for (const { 0: sign, index } of text.matchAll(/[[\]{}]/g)) {
    open = sign === '[' || sign === '{' ? open + 1 : Math.max(0, open - 1);
    if (open > MAX_OPEN) at = index;
    if (at >= 0) break;
  }
  if (at < 0) return undefined;
  const expected = `at most ${MAX_DEPTH} levels`;
  return diagnosticAt(source.place(at), 'config/too-deep', 'the nesting is too deep', { expected });
}

const MAX_SYNTAX_ERRORS = 10;

/** Located diagnostics for the parser's errors, one per line. @param text the parsed text */
function describeSyntaxErrors(source: SourceText, text: string, errors: readonly YAMLError[]): Diagnostic[] {
  const byLine = new Map<number, Diagnostic>();
  for (const error of errors) {
    const line = source.lineAt(error.pos[0]);
    if (!byLine.has(line) && !isEcho(error, errors)) byLine.set(line, described(source, text, error));
    if (byLine.size >= MAX_SYNTAX_ERRORS) break;
  }
  return [...byLine.values()];
}

/** A value followed by a deeper key causes two errors. The other one is more specific. */
function isEcho({ code, pos }: YAMLError, errors: readonly YAMLError[]): boolean {
  if (code !== 'MULTILINE_IMPLICIT_KEY') return false;
  return errors.some(other => other.code === 'BLOCK_AS_IMPLICIT_KEY' && other.pos[0] === pos[0]);
}

function described(source: SourceText, text: string, error: YAMLError): Diagnostic {
  const [at, end] = error.pos;
  const opener = findOpener(text, error);
  if (opener) {
    const message = `the ${/["']/.test(opener.sign) ? 'quote' : 'bracket'} ${opener.sign} is not closed`;
    const expected = CLOSERS[opener.sign];
    return diagnosticAt(source.place(opener.offset), 'config/syntax', message, { expected });
  }
  const key = findIndentedKey(text, error);
  const place = source.place(key ?? at, Math.max(end, (key ?? at) + 1));
  const words = WORDS.find(([code, when]) => code === error.code && when.test(error.message));
  const [message, expected] = key === undefined ? [words?.[2], words?.[3]] : TOO_FAR;
  const plain = message ?? error.message.replace(/^[A-Z]/, first => first.toLowerCase());
  return diagnosticAt(place, CODES[error.code] ?? 'config/syntax', plain, { expected });
}

const TOO_FAR = [
  'this line is indented more than the line above allows',
  'the indentation of the other keys',
];

/** The parser reports a value that is followed by a deeper key. The mistake is in the next line. */
function findIndentedKey(text: string, { code, pos: [at] }: YAMLError): number | undefined {
  const lineEnd = text.indexOf('\n', at);
  if (code !== 'BLOCK_AS_IMPLICIT_KEY' || lineEnd < 0 || /:\s/.test(text.slice(at, lineEnd)))
    return undefined;
  const next = text.slice(lineEnd).search(/\S/);
  return next < 0 ? undefined : lineEnd + next;
}

const CLOSERS: Readonly<Record<string, string>> = { '[': ']', '{': '}', '"': '"', "'": "'" };

/** The lexer's tokens with their offsets, without its marks of documents and scalars. */
function* tokens(text: string): Generator<[token: string, offset: number]> {
  let offset = 0;
  for (const token of new Lexer().lex(text)) {
    if (['\u0002', '\u001f', '\u0018'].includes(token)) continue;
    yield [token, offset];
    offset += token.length;
  }
}

/** The quote or bracket that is not closed. The parser reports it where its text ends. */
function findOpener(text: string, { code, message, pos: [end] }: YAMLError) {
  const isUnclosed = (code === 'MISSING_CHAR' && /quote/.test(message)) || /^Flow .* end with/.test(message);
  if (!isUnclosed) return undefined;
  const open: { sign: string; offset: number }[] = [];
  for (const [token, offset] of tokens(text)) {
    if (offset >= end) break;
    if (offset + token.length >= end && /^["']/.test(token)) return { sign: token[0], offset };
    if (token === '[' || token === '{') open.push({ sign: token, offset });
    else if (token === ']' || token === '}') open.pop();
  }
  return open.at(-1);
}

const CODES: Readonly<Partial<Record<ErrorCode, string>>> = {
  BAD_COLLECTION_TYPE: 'config/tag',
  MULTIPLE_DOCS: 'config/multiple-documents',
  TAB_AS_INDENT: 'config/tab',
  TAG_RESOLVE_FAILED: 'config/tag',
};

const ANY = /^/;
const TAGS = 'tags are not supported in a config';
const COLON = 'a separate line, or quotes around a value that contains ": "';

/** The common mistakes in plain words; the others keep the parser's. */
const WORDS: readonly (readonly [code: ErrorCode, when: RegExp, message: string, expected?: string])[] = [
  ['MISSING_CHAR', /followed by map values/, 'a colon is missing after this key', '`key: value`'],
  ['MISSING_CHAR', /^Missing , /, 'a comma is missing before this item', ','],
  ['MISSING_CHAR', /space after :/, 'a space is missing after the colon', '`key: value`'],
  ['MISSING_CHAR', /item without -/, 'a list item is missing its -', '- item'],
  ['UNEXPECTED_TOKEN', /at node end/, 'unexpected text after the value', 'a separate line'],
  ['UNEXPECTED_TOKEN', /scalar token$/, 'a comma or a line break is missing before this'],
  ['UNEXPECTED_TOKEN', /same line with key/, 'a list cannot start on the line of its key', '`[a, b]`'],
  ['UNEXPECTED_TOKEN', /empty item|Unexpected ,/, 'an item is missing before this comma', 'one comma'],
  ['BAD_COLLECTION_TYPE', ANY, TAGS, 'a plain value'],
  ['TAG_RESOLVE_FAILED', ANY, TAGS, 'a plain value'],
  ['BAD_DIRECTIVE', ANY, 'directives are not supported in a config', 'no line that starts with %'],
  ['BAD_DQ_ESCAPE', ANY, 'unknown escape sequence', '\\\\, or single quotes around the text'],
  [
    'BAD_INDENT',
    ANY,
    'the indentation does not match the lines above',
    'the same for all keys or items of a group',
  ],
  ['BAD_SCALAR_START', ANY, 'a value cannot start with this character', 'quotes around the value'],
  ['BLOCK_AS_IMPLICIT_KEY', ANY, 'a mapping cannot start in the middle of a line', COLON],
  [
    'BLOCK_IN_FLOW',
    ANY,
    'a comma is missing, or a mapping inside brackets has no braces',
    '`{ a: 1, b: 2 }`',
  ],
  ['KEY_OVER_1024_CHARS', ANY, 'a key is longer than 1024 characters', COLON],
  ['MULTILINE_IMPLICIT_KEY', ANY, 'a key spans several lines', '`key: value`, the key on one line'],
  ['MULTIPLE_DOCS', ANY, 'a second document starts here, but a config is a single document'],
  ['TAB_AS_INDENT', ANY, 'a tab is used as indentation', 'spaces'],
];
