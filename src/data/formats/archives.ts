/**
 * Formats of archives as tables: words in lines with blank lines between sentences (CoNLL), CoNLL-U
 * of treebanks (Universal Dependencies) with a row for each word, and `.ts` of the UCR and UEA
 * archives with a row for each step of a case.
 */

import { basename } from '../../host/index.js';
import { damagedError, damagedErrors } from '../../util/errors.js';
import type { Pieces } from '../reading/byte-sources.js';
import type { CellPlace, Delimiter, TableFormat, TableHandlers, TableRecord } from './table-records.js';
import { LinePieces } from './utf8.js';

interface Line {
  readonly file: string;
  /** Line number, from 1. */
  readonly line: number;
  readonly source: string;
}

function linesOf(file: string, read: (line: Line) => void): LinePieces {
  return new LinePieces(file, true, {
    broken(problem) {
      throw damagedErrors([problem]);
    },
    line: ({ bytes, number }) => read({ file, line: number, source: bytes.toString('utf8') }),
  });
}

/** @param part of the line, which contains all fields without a place of their own */
function recordOf(
  fields: readonly string[],
  { file, line, source }: Line,
  part: (field: number) => readonly [start: number, end: number] = () => [0, source.length],
): TableRecord {
  const place = (field: number): CellPlace => {
    const [start, end] = part(field);
    return { file, line, column: start + 1, length: Math.max(1, end - start), source };
  };
  return { fields, row: { file, line }, place };
}

/** Names a sentence or a case by the position of its first line, as no other in a folder. */
function positionOf({ file, line }: Line): string {
  return `${basename(file)}:${line}`;
}

/**
 * The names of the columns of a file whose first line may be a row.
 * @param record the first line
 * @param names of all columns
 */
export function givenNames(
  record: TableRecord,
  names: readonly string[],
  optionalColumn: string | undefined,
): readonly string[] {
  const { fields } = record;
  if (names.length === fields.length) return names;
  const given = fields.map(field => field.trim());
  if (given.every(field => names.includes(field))) return given;
  const left = names.filter(name => name !== optionalColumn);
  if (left.length === fields.length) return left;
  throw damagedError('data/csv-column-names', 'the rows have another number of fields', {
    ...record.place(0),
    expected: `${names.length}, as in \`dataset.column_names\`, or a first line with the names of the columns of this file`,
    got: String(fields.length),
  });
}

/** Column of the positions of blocks of lines, which no table names like this. */
export const BLOCK = '<block>';

/** Comments, and the starts of documents in CoNLL-2003. */
export const NO_WORD = /^(?:# |-DOCSTART-)/;

/**
 * Fields end at the delimiter. The comma, which is also a word, counts only in lines without tabs
 * and white space, which separate the fields of most such files. Quotes are words.
 */
export function blockPieces(
  file: string,
  handlers: TableHandlers,
  { delimiter, columnNames, optionalColumn }: TableFormat,
): Pieces {
  let block: string | undefined;
  let width = 0;
  const lines = linesOf(file, line => {
    const source = line.source.trimEnd();
    if (source.trim() === '') block = undefined;
    // after the words of a sentence, it is one
    if (source.trim() === '' || (block === undefined && NO_WORD.test(source))) return;
    const fields = source.split(separatorOf(source.trimStart(), delimiter)).map(field => field.trim());
    const record = recordOf([...fields, ''], { ...line, source });
    if (width === 0) {
      width = fields.length;
      const given = { ...record, fields };
      const names = columnNames ? givenNames(given, columnNames, optionalColumn) : fields;
      handlers.header({ ...record, fields: [...names, BLOCK] });
      if (fields.every((field, i) => field === names[i])) return;
    }
    block ??= positionOf(line);
    const row = { ...record, fields: [...fields, block] };
    if (fields.length === width) handlers.add(row);
    else
      handlers.ragged(row, {
        code: 'data/csv-ragged',
        message: `the row has too ${fields.length < width ? 'few' : 'many'} fields`,
        ...record.place(0),
        expected: `${width}, as in the first line`,
        got: String(fields.length),
      });
  });
  return {
    push: chunk => lines.push(chunk),
    end() {
      lines.end();
      if (width === 0) throw damagedError('data/csv-empty', 'the file is empty', { file });
    },
  };
}

function separatorOf(source: string, delimiter: Delimiter = ','): string | RegExp {
  if (delimiter !== ',') return delimiter;
  if (source.includes('\t')) return '\t';
  return /\s/.test(source) ? /\s+/ : delimiter;
}

const WORD = ['id', 'form', 'lemma', 'upos', 'xpos', 'feats', 'head', 'deprel', 'deps', 'misc'];

/** Words of several tokens and empty nodes are left out. `_` is an empty cell, except as a word. */
export function conlluPieces(file: string, handlers: TableHandlers): LinePieces {
  /** `sent_id` of the sentence, if it has one. */
  let id: string | undefined;
  let sentence: string | undefined;
  handlers.header(recordOf(['sentence', ...WORD], { file, line: 1, source: '' }));
  return linesOf(file, line => {
    const { source } = line;
    if (source.trim() === '') {
      id = undefined;
      sentence = undefined;
      return;
    }
    id ??= /^# *sent_id *= *(.+)$/.exec(source)?.[1].trim();
    if (source.startsWith('#')) return;
    sentence ??= id ?? positionOf(line);
    const cells = source.split('\t');
    const record = recordOf(
      [sentence, ...cells.map((cell, i) => (cell === '_' && WORD[i] !== 'form' ? '' : cell))],
      line,
      field => {
        const start = cells.slice(0, Math.max(0, field - 1)).join('\t').length + Number(field > 1);
        return [start, start + (cells[field - 1] ?? source).length];
      },
    );
    if (cells.length !== WORD.length) {
      const message = `a word of CoNLL-U has ${WORD.length} fields`;
      const got = `${cells.length} fields`;
      handlers.ragged(record, { code: 'data/conllu', message, ...record.place(0), got });
    } else if (/^\d+$/.test(cells[0])) handlers.add(record);
  });
}

/**
 * A case has its label or number in each of its rows, if it has one; `?` is an empty cell. The
 * columns of the steps are `x`, or `x1`, `x2`, … if there are several.
 */
export function tsPieces(file: string, handlers: TableHandlers): Pieces {
  const settings = new Map<string, string>();
  let hasData = false;
  let columns: readonly string[] | undefined;
  const isSet = (name: string) => /^true\b/i.test(settings.get(name) ?? '');
  const damaged = (line: Line, message: string) =>
    damagedErrors([{ code: 'data/ts', message, ...recordOf([], line).place(0) }]);
  const addCase = (line: Line): void => {
    const parts = line.source.trim().split(':');
    const target = isSet('classlabel') ? 'class' : isSet('targetlabel') ? 'value' : undefined;
    const label = target === undefined ? [] : [parts.pop() ?? ''];
    if (columns === undefined) {
      const names = parts.map((_, i) => (parts.length === 1 ? 'x' : `x${i + 1}`));
      columns = ['case', ...names, ...(target === undefined ? [] : [target])];
      handlers.header(recordOf(columns, line));
    }
    const series = parts.map(part => part.split(',').map(cell => cell.trim()));
    const name = positionOf(line);
    const isWhole = series.every(({ length }) => length === series[0].length);
    if (!isWhole || 1 + series.length + label.length !== columns.length) {
      const message = isWhole
        ? 'the case has another number of dimensions than the first one'
        : 'the dimensions of the case differ in length';
      const record = recordOf([name], line);
      handlers.ragged(record, { code: 'data/ts', message, ...record.place(0) });
      return;
    }
    for (const step of series[0]?.keys() ?? []) {
      const cells = series.map(values => (values[step] === '?' ? '' : values[step]));
      handlers.add(recordOf([name, ...cells, ...label], line));
    }
  };
  const pieces = linesOf(file, line => {
    const text = line.source.trim();
    if (text === '' || text.startsWith('#')) return;
    if (hasData) {
      addCase(line);
      return;
    }
    const [, key, value] = /^@(\w+)(?:\s+(.*))?$/.exec(text) ?? [];
    if (key === undefined) throw damaged(line, 'a line before @data does not start with @');
    settings.set(key.toLowerCase(), value ?? '');
    hasData = /^data$/i.test(key);
    if (isSet('timestamps')) throw damaged(line, 'steps with times of their own cannot be read');
  });
  return {
    push: chunk => pieces.push(chunk),
    end() {
      pieces.end();
      if (!hasData) throw damagedErrors([{ code: 'data/ts', message: 'the file has no line @data', file }]);
    },
  };
}
