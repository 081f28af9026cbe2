/** What the YAML parser complains about, at the place where it is to be mended. */
import { Lexer, type YAMLError } from 'yaml';
import type { Diagnostic } from '../../util/errors.js';
import { isMark } from './depth.js';
import { positionOf, type SourceText } from './source.js';
import { wordsOf } from './syntax-words.js';

/** What follows the first few syntax errors is mostly their echo. */
const MAX_SYNTAX_ERRORS = 10;

/** Located diagnostics for what the parser complains about, one a line. @param text what was parsed */
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

/** A value followed by a deeper key is complained about twice; the second complaint says more. */
function isEcho(error: YAMLError, errors: readonly YAMLError[]): boolean {
  if (error.code !== 'MULTILINE_IMPLICIT_KEY') return false;
  return errors.some(other => other.code === 'BLOCK_AS_IMPLICIT_KEY' && other.pos[0] === error.pos[0]);
}

const TOO_FAR: Diagnostic = {
  code: 'config/syntax',
  message: 'this line is indented too far for the line before it',
  expected: 'the same indentation as the keys beside it',
};

/** Where a value is followed by a deeper key, the parser complains about the value; what is wrong is the next line. */
function findIndentedKey(text: string, at: number): number | undefined {
  const lineEnd = text.indexOf('\n', at);
  if (lineEnd < 0 || /:\s/.test(text.slice(at, lineEnd))) return undefined;
  const next = text.slice(lineEnd).search(/\S/);
  return next < 0 ? undefined : lineEnd + next;
}

const CLOSERS: Readonly<Record<string, string>> = { '[': ']', '{': '}', '"': '"', "'": "'" };

/** The parser notices at the end of what is not closed, which may be the end of the file. */
function isUnclosed(error: YAMLError): boolean {
  return (
    (error.code === 'MISSING_CHAR' && /quote/.test(error.message)) || /^Flow .* end with/.test(error.message)
  );
}

function describeUnclosed(sign: string): Diagnostic {
  const what = sign === '"' || sign === "'" ? 'quote' : 'bracket';
  return { code: 'config/syntax', message: `the ${what} ${sign} is not closed`, expected: CLOSERS[sign] };
}

/** The quote or bracket that is still open at an offset. */
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
