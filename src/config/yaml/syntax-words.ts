/** The parser's complaints in our words: it speaks of implicit keys and flow collections, a config's writer does not. */
import type { ErrorCode, YAMLError } from 'yaml';
import type { Diagnostic } from '../../util/errors.js';

type Words = Pick<Diagnostic, 'code' | 'message' | 'expected'>;

/** What a parser's error says, without its place. */
export function wordsOf({ code, message }: YAMLError): Words {
  const narrower = NARROWER[code]?.find(({ when }) => when.test(message));
  return narrower?.words ?? WORDS[code];
}

function syntax(message: string, expected?: string): Words {
  return { code: 'config/syntax', message, ...(expected !== undefined && { expected }) };
}

const NO_TAG: Words = {
  code: 'config/tag',
  message: 'the tag has no meaning in a config, or does not fit its value',
  expected: 'a plain value',
};

/** Of codes that stand for several mistakes: those that the parser's own sentence tells apart. */
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
    { when: /directives-end/, words: syntax('the line --- does not stand where the directives end', '---') },
  ],
  UNEXPECTED_TOKEN: [
    {
      when: /at node end/,
      words: syntax(
        'the value has already ended before this',
        'a line of its own, indented like its neighbours',
      ),
    },
    { when: /scalar token$/, words: syntax('a comma or a line end is missing before this') },
    { when: /^Not a YAML token/, words: syntax('this text does not belong here', 'a line of its own') },
    {
      when: /same line with key/,
      words: syntax('a list cannot begin beside its key', '`[a, b]`, or each `- item` on a line of its own'),
    },
    { when: /empty item|Unexpected ,/, words: syntax('an item is missing before this comma', 'one comma') },
    {
      when: /^Block scalar header/,
      words: syntax('more text follows | or > on the same line', 'the text on lines of its own, indented'),
    },
  ],
};

const WORDS: Readonly<Record<ErrorCode, Words>> = {
  ALIAS_PROPS: syntax('an alias has an anchor or tag of its own', '`*name` alone'),
  BAD_ALIAS: syntax('the name of an anchor or alias is missing or ends in a colon', '`&name` or `*name`'),
  BAD_COLLECTION_TYPE: NO_TAG,
  BAD_DIRECTIVE: syntax('this directive has no meaning in a config', 'no line that begins with %'),
  BAD_DQ_ESCAPE: syntax(
    'the backslash begins no known escape sequence',
    '\\\\, or single quotes around the text',
  ),
  BAD_INDENT: syntax(
    'the indentation does not fit the lines before it',
    'the same indentation for keys or items of one group, a deeper one below a key',
  ),
  BAD_PROP_ORDER: syntax('an anchor or tag stands before the sign that it must follow'),
  BAD_SCALAR_START: syntax('a value cannot begin with this sign', 'quotes around the value'),
  BLOCK_AS_IMPLICIT_KEY: syntax(
    'a mapping cannot begin in the middle of a line',
    'a line of its own, or quotes around a value that contains ": "',
  ),
  BLOCK_IN_FLOW: syntax(
    'a comma is missing here, or a mapping without brackets stands inside brackets',
    '`{ a: 1, b: 2 }`',
  ),
  DUPLICATE_KEY: {
    code: 'config/duplicate-key',
    message: 'a key stands here twice',
    expected: 'each key once',
  },
  IMPOSSIBLE: syntax('this is not YAML'),
  KEY_OVER_1024_CHARS: syntax(
    'a key is longer than 1024 characters',
    'a colon sooner, or quotes around a value that contains ": "',
  ),
  MISSING_CHAR: syntax('a sign is missing here'),
  MULTILINE_IMPLICIT_KEY: syntax('a key goes over several lines', '`key: value`, the key on one line'),
  MULTIPLE_ANCHORS: syntax('a value has more than one anchor', 'one `&name`'),
  MULTIPLE_DOCS: {
    code: 'config/multiple-documents',
    message: 'a second document begins here; a config is a single one',
  },
  MULTIPLE_TAGS: syntax('a value has more than one tag', 'a plain value'),
  NON_STRING_KEY: { code: 'config/key', message: 'a key must be a plain name', expected: 'a string' },
  RESOURCE_EXHAUSTION: { code: 'config/too-deep', message: 'the nesting is too deep' },
  TAB_AS_INDENT: { code: 'config/tab', message: 'a tab is used as indentation', expected: 'spaces' },
  TAG_RESOLVE_FAILED: NO_TAG,
  UNEXPECTED_TOKEN: syntax('this sign does not belong here', 'quotes around it where it is part of a value'),
};
