/**
 * Refuses deep nesting before the text reaches the parser, which recurses once a level and would end in a stack
 * overflow. Works on the lexer's tokens, so that brackets in strings, comments and block scalars don't count.
 */
import { Lexer } from 'yaml';
import type { Diagnostic } from '../../util/errors.js';
import { positionOf, type SourceText } from './source.js';

/** Far above what a config needs (five levels) and far below what a stack holds. */
export const MAX_DEPTH = 32;

/** Each level of block nesting costs at least one column, two with YAML's shortest forms. */
const MAX_INDENT = 256;

const BLANK = /^[ \t]+$/;

/** The lexer marks the start of documents and plain scalars by control characters that are not in the text. */
export function isMark(token: string): boolean {
  return token === '\u0002' || token === '\u001f' || token === '\u0018';
}

/** The first place that is nested too deeply, if any. @param text what will be parsed, with the source's offsets */
export function findDeepNesting(source: SourceText, text: string): Diagnostic | undefined {
  let offset = 0;
  let flow = 0;
  let lineStart = 0;
  /** Indicators in a row that each open a block, as in `- - - x` and `? ? x`. */
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
