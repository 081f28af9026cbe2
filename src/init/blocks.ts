/** Files whose sequences are separated by blank lines, such as words and tags in CoNLL. */

import { NO_WORD } from '../data/formats/archives.js';
import type { Delimiter } from '../data/formats/table-records.js';
import { usageError } from '../util/errors.js';

/** What is looked at of a large file. */
const MAX_BYTES = 2 ** 20;
const MIN_BLOCKS = 5;
/** Mean number of lines. Blank lines after every line separate nothing. */
const MIN_LINES = 2;
const DECIMAL = /^[-+]?\d*[.,]\d+(?:e[-+]?\d+)?$/i;
const SEPARATORS = ['\t', ',', ';', '|', ' '] as const;

/** How `sequence.blank_lines` reads a file. */
interface Blocks {
  readonly delimiter: Delimiter;
  /** Of a file without a line of names. */
  readonly columnNames: readonly string[] | undefined;
}

/**
 * How to read a file whose sequences are separated by blank lines alone; undefined for another one,
 * or if a column tells the sequences apart.
 */
export function blocksIn(path: string, bytes: Buffer): Blocks | undefined {
  const found = bytes
    .toString('utf8', 0, MAX_BYTES)
    .split(/(?:\r?\n[ \t]*){2,}/)
    .filter(block => block.trim() !== '')
    .map(block => block.trimEnd().split(/\r?\n/));
  if (bytes.length > MAX_BYTES) found.pop();
  const isComment = (line: string) => NO_WORD.test(line);
  const starts = found.map(block => block.findIndex(line => !isComment(line)));
  // after other words, it is one
  const hasComments =
    found.some(block => isComment(block[0])) &&
    found.every((block, i) => starts[i] === -1 || !block.slice(starts[i]).some(isComment));
  const blocks = hasComments
    ? found.map(block => block.filter(line => !isComment(line))).filter(({ length }) => length > 0)
    : found;
  const lines = blocks.flat();
  if (blocks.length < MIN_BLOCKS || lines.length < MIN_LINES * blocks.length) return undefined;
  const separator = SEPARATORS.find(candidate => {
    const [{ length }, ...others] = lines.map(line => fieldsOf(line, candidate));
    return length > 1 && others.every(fields => fields.length === length);
  });
  if (separator === undefined) return undefined;
  // the first block may start with the names of the columns
  const others = blocks.slice(1).map(block => block.map(line => fieldsOf(line, separator)));
  const [first, ...rest] = lines.map(line => fieldsOf(line, separator));
  const tellsApart = (column: number) =>
    new Set(others.map(([fields]) => fields[column])).size === others.length &&
    others.every(block => block.every(fields => fields[column] === block[0][column]));
  const columns = [...first.keys()];
  if (columns.some(tellsApart)) return undefined;
  // blank lines in a table of measurements are layout, unless its steps are counted from each
  const isMeasured = (column: number) =>
    2 * rest.filter(fields => DECIMAL.test(fields[column].trim())).length > rest.length;
  const startsAgain = (column: number) =>
    others.every(([fields]) => fields[column] === others[0][0][column]) &&
    others.some(([start, next]) => next !== undefined && next[column] !== start[column]);
  if (columns.some(isMeasured) && !columns.some(startsAgain)) return undefined;
  if (separator === ',' && lines.some(line => /\s/.test(line)))
    throw usageError('init/blocks', 'blank lines seem to separate the sequences', {
      file: path,
      expected: 'fields separated by tabs or white space, or a column that numbers the sequences',
    });
  const hasNames =
    !hasComments && first.every((name, column) => rest.every(fields => fields[column] !== name));
  const between = Array.from({ length: first.length - 2 }, (_, i) => `column${i + 2}`);
  return {
    delimiter: separator === ' ' || separator === '\t' ? ',' : separator,
    columnNames: hasNames ? undefined : ['word', ...between, 'tag'],
  };
}

/** Several spaces separate as one does. */
function fieldsOf(line: string, separator: string): string[] {
  return separator === ' ' ? line.trim().split(/\s+/) : line.split(separator);
}
