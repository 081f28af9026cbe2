/** YAML syntax errors: nesting that is too deep, found before parsing, and the parser's errors. */
import { type ErrorCode, Lexer, type YAMLError } from 'yaml';
import type { Diagnostic } from '../../util/errors.js';
import { diagnosticAt, type SourceText } from './source.js';

/** Far more than a config needs (five levels), and far less than fits on the stack. */
export const MAX_DEPTH = 32;

/** Each level of block nesting takes at least one column. */
const MAX_INDENT = 256;

const BLANK = /^[ \t]+$/;

/** The lexer's tokens with their offsets, without its marks of documents and scalars. */
function* tokens(text: string): Generator<[token: string, offset: number]> {
  let offset = 0;
  for (const token of new Lexer().lex(text)) {
    if (['\u0002', '\u001f', '\u0018'].includes(token)) continue;
    yield [token, offset];
    offset += token.length;
  }
}

/**
 * Reports the first place that is nested too deeply. Runs before parsing, since the parser recurses
 * and would overflow the stack. Brackets in strings and comments do not count.
 * @param text the text to parse, at the same offsets as in the source
 */
export function findDeepNesting(source: SourceText, text: string): Diagnostic | undefined {
  let flow = 0;
  let lineStart = 0;
  /** Consecutive indicators that each open a block, as in `- - - x` and `? ? x`. */
  let opened = 0;
  for (const [token, offset] of tokens(text)) {
    if (token === '[' || token === '{') flow++;
    else if (token === ']' || token === '}') flow = Math.max(0, flow - 1);
    if (token === '-' || token === '?' || token === ':') opened++;
    else if (!BLANK.test(token)) opened = 0;
    if (token === '\n' || token === '\r\n') lineStart = offset + token.length;
    const indent = offset === lineStart && BLANK.test(token) ? token.length : 0;
    if (flow > MAX_DEPTH || opened > MAX_DEPTH || indent > MAX_INDENT) {
      const expected = `at most ${MAX_DEPTH} levels`;
      return diagnosticAt(source.place(offset), 'config/too-deep', 'the nesting is too deep', { expected });
    }
  }
  return undefined;
}

const MAX_SYNTAX_ERRORS = 10;

/** Located diagnostics for the parser's errors, one per line. @param text the parsed text */
export function describeSyntaxErrors(
  source: SourceText,
  text: string,
  errors: readonly YAMLError[],
): Diagnostic[] {
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
