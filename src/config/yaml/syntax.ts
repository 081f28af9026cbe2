/**
 * Reports YAML syntax errors: nesting that is too deep before parsing, and the parser's errors
 * after it.
 */
import { type ErrorCode, Lexer, type YAMLError } from 'yaml';
import type { Diagnostic } from '../../util/errors.js';
import { positionOf, type SourceText } from './source.js';

/** Far more than a config needs (five levels), and far less than fits on the stack. */
export const MAX_DEPTH = 32;

/** Each level of block nesting takes at least one column. */
const MAX_INDENT = 256;

const BLANK = /^[ \t]+$/;

/**
 * True for control characters that the lexer emits at the start of documents and plain scalars.
 * They are not in the text.
 */
export function isMark(token: string): boolean {
  return token === '\u0002' || token === '\u001f' || token === '\u0018';
}

/**
 * Reports the first place that is nested too deeply, if any. Runs before parsing, since the parser
 * recurses and would overflow the stack. Uses the lexer's tokens, so that brackets in strings and
 * comments do not count.
 * @param text the text to parse, at the same offsets as in the source
 */
export function findDeepNesting(source: SourceText, text: string): Diagnostic | undefined {
  let offset = 0;
  let flow = 0;
  let lineStart = 0;
  /** Consecutive indicators that each open a block, as in `- - - x` and `? ? x`. */
  let opened = 0;
  for (const token of new Lexer().lex(text)) {
    if (isMark(token)) continue;
    if (token === '[' || token === '{') flow++;
    else if (token === ']' || token === '}') flow = Math.max(0, flow - 1);
    if (token === '-' || token === '?' || token === ':') opened++;
    else if (!BLANK.test(token)) opened = 0;
    if (token === '\n' || token === '\r\n') lineStart = offset + token.length;
    const indent = offset === lineStart && BLANK.test(token) ? token.length : 0;
    if (flow > MAX_DEPTH || opened > MAX_DEPTH || indent > MAX_INDENT) {
      return {
        code: 'config/too-deep',
        message: 'the nesting is too deep',
        ...positionOf(source.place(offset, offset + 1)),
        expected: `at most ${MAX_DEPTH} levels`,
      };
    }
    offset += token.length;
  }
  return undefined;
}

/** Further syntax errors mostly follow from the first ones. */
const MAX_SYNTAX_ERRORS = 10;

/** Located diagnostics for the parser's errors, one per line. @param text the parsed text */
export function describeSyntaxErrors(
  source: SourceText,
  text: string,
  errors: readonly YAMLError[],
): Diagnostic[] {
  const seen = new Set<number>();
  const problems: Diagnostic[] = [];
  for (const error of errors) {
    if (problems.length >= MAX_SYNTAX_ERRORS) break;
    const [at, end] = error.pos;
    const noticed = source.lineAt(at);
    if (seen.has(noticed) || isEcho(error, errors)) continue;
    seen.add(noticed);
    const opener = isUnclosed(error) ? findOpener(text, at) : undefined;
    const indented = error.code === 'BLOCK_AS_IMPLICIT_KEY' ? findIndentedKey(text, at) : undefined;
    const start = opener?.offset ?? indented ?? at;
    const position = positionOf(source.place(start, Math.max(end, start + 1)));
    if (opener !== undefined) problems.push({ ...describeUnclosed(opener.sign), ...position, length: 1 });
    else if (indented !== undefined) problems.push({ ...TOO_FAR, ...position });
    else problems.push({ ...wordsOf(error), ...position });
  }
  return problems;
}

/** A value followed by a deeper key causes two errors. The other one is more specific. */
function isEcho(error: YAMLError, errors: readonly YAMLError[]): boolean {
  if (error.code !== 'MULTILINE_IMPLICIT_KEY') return false;
  return errors.some(other => other.code === 'BLOCK_AS_IMPLICIT_KEY' && other.pos[0] === error.pos[0]);
}

const TOO_FAR: Diagnostic = {
  code: 'config/syntax',
  message: 'this line is indented more than the line above allows',
  expected: 'the same indentation as the other keys',
};

/** The parser reports a value that is followed by a deeper key. The mistake is in the next line. */
function findIndentedKey(text: string, at: number): number | undefined {
  const lineEnd = text.indexOf('\n', at);
  if (lineEnd < 0 || /:\s/.test(text.slice(at, lineEnd))) return undefined;
  const next = text.slice(lineEnd).search(/\S/);
  return next < 0 ? undefined : lineEnd + next;
}

const CLOSERS: Readonly<Record<string, string>> = { '[': ']', '{': '}', '"': '"', "'": "'" };

/**
 * True for an unclosed quote or bracket. The parser reports it where its text ends, perhaps at the
 * end of the file.
 */
function isUnclosed(error: YAMLError): boolean {
  return (
    (error.code === 'MISSING_CHAR' && /quote/.test(error.message)) || /^Flow .* end with/.test(error.message)
  );
}

function describeUnclosed(sign: string): Diagnostic {
  const what = sign === '"' || sign === "'" ? 'quote' : 'bracket';
  return { code: 'config/syntax', message: `the ${what} ${sign} is not closed`, expected: CLOSERS[sign] };
}

/** The innermost quote or bracket that is open at an offset. */
function findOpener(text: string, end: number): { sign: string; offset: number } | undefined {
  const open: { sign: string; offset: number }[] = [];
  let offset = 0;
  for (const token of new Lexer().lex(text)) {
    if (isMark(token)) continue;
    if (offset >= end) break;
    const reaches = offset + token.length >= end;
    if (reaches && /^["']/.test(token)) return { sign: token[0], offset };
    if (token === '[' || token === '{') open.push({ sign: token, offset });
    else if (token === ']' || token === '}') open.pop();
    offset += token.length;
  }
  return open.at(-1);
}

type Words = Pick<Diagnostic, 'code' | 'message' | 'expected'>;

/** Describes a parser error in plain words, without its position. */
export function wordsOf({ code, message }: YAMLError): Words {
  const narrower = NARROWER[code]?.find(({ when }) => when.test(message));
  return narrower?.words ?? WORDS[code];
}

function syntax(message: string, expected?: string): Words {
  return { code: 'config/syntax', message, ...(expected !== undefined && { expected }) };
}

const NO_TAG: Words = {
  code: 'config/tag',
  message: 'tags are not supported in a config',
  expected: 'a plain value',
};

/** Codes that cover several mistakes, distinguished by the parser's message. */
const NARROWER: Readonly<Partial<Record<ErrorCode, readonly { when: RegExp; words: Words }[]>>> = {
  MISSING_CHAR: [
    {
      when: /followed by map values/,
      words: syntax('a colon is missing after this key', '`key: value`, with a space after the colon'),
    },
    { when: /^Missing , /, words: syntax('a comma is missing before this item', ',') },
    { when: /space after :/, words: syntax('a space is missing after the colon', '`key: value`') },
    { when: /^Comments/, words: syntax('a space is missing before the comment sign #', ' #') },
    { when: /item without -/, words: syntax('a list item is missing its -', '- item') },
    { when: /^Tags and anchors/, words: syntax('a space is missing after the tag or anchor') },
    { when: /directives-end/, words: syntax('--- is missing after the directives', '---') },
  ],
  UNEXPECTED_TOKEN: [
    {
      when: /at node end/,
      words: syntax('unexpected text after the value', 'a separate line, indented like its neighbours'),
    },
    { when: /scalar token$/, words: syntax('a comma or a line break is missing before this') },
    { when: /^Not a YAML token/, words: syntax('unexpected text', 'a separate line') },
    {
      when: /same line with key/,
      words: syntax(
        'a list cannot start on the line of its key',
        '`[a, b]`, or each `- item` on its own line',
      ),
    },
    { when: /empty item|Unexpected ,/, words: syntax('an item is missing before this comma', 'one comma') },
    {
      when: /^Block scalar header/,
      words: syntax('unexpected text after | or >', 'the text on the next lines, indented'),
    },
  ],
};

const WORDS: Readonly<Record<ErrorCode, Words>> = {
  ALIAS_PROPS: syntax('an alias cannot have an anchor or tag', '`*name` alone'),
  BAD_ALIAS: syntax('the name of an anchor or alias is missing or ends in a colon', '`&name` or `*name`'),
  BAD_COLLECTION_TYPE: NO_TAG,
  BAD_DIRECTIVE: syntax('this directive is not supported in a config', 'no line that starts with %'),
  BAD_DQ_ESCAPE: syntax('unknown escape sequence', '\\\\, or single quotes around the text'),
  BAD_INDENT: syntax(
    'the indentation does not match the lines above',
    'the same indentation for all keys or items of a group, a deeper one below a key',
  ),
  BAD_PROP_ORDER: syntax('an anchor or tag is before the indicator that it must follow'),
  BAD_SCALAR_START: syntax('a value cannot start with this character', 'quotes around the value'),
  BLOCK_AS_IMPLICIT_KEY: syntax(
    'a mapping cannot start in the middle of a line',
    'a separate line, or quotes around a value that contains ": "',
  ),
  BLOCK_IN_FLOW: syntax('a comma is missing, or a mapping inside brackets has no braces', '`{ a: 1, b: 2 }`'),
  DUPLICATE_KEY: {
    code: 'config/duplicate-key',
    message: 'duplicate key',
    expected: 'each key once',
  },
  IMPOSSIBLE: syntax('this is not YAML'),
  KEY_OVER_1024_CHARS: syntax(
    'a key is longer than 1024 characters',
    'a shorter key, or quotes around a value that contains ": "',
  ),
  MISSING_CHAR: syntax('a character is missing here'),
  MULTILINE_IMPLICIT_KEY: syntax('a key spans several lines', '`key: value`, the key on one line'),
  MULTIPLE_ANCHORS: syntax('a value has more than one anchor', 'one `&name`'),
  MULTIPLE_DOCS: {
    code: 'config/multiple-documents',
    message: 'a second document starts here, but a config is a single document',
  },
  MULTIPLE_TAGS: syntax('a value has more than one tag', 'a plain value'),
  NON_STRING_KEY: { code: 'config/key', message: 'a key must be a string', expected: 'a name' },
  RESOURCE_EXHAUSTION: { code: 'config/too-deep', message: 'the nesting is too deep' },
  TAB_AS_INDENT: { code: 'config/tab', message: 'a tab is used as indentation', expected: 'spaces' },
  TAG_RESOLVE_FAILED: NO_TAG,
  UNEXPECTED_TOKEN: syntax('unexpected character', 'quotes around it if it is part of a value'),
};
