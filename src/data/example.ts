/** The first sequence of a split as a text, as one passes it to a model in a page. */
import { shortestDecimal } from '../util/numbers.js';
import { type Dataset, dataWidth, type SplitName } from './core/dataset.js';
import type { TextLevel } from './core/record.js';
import { realLength } from './core/vocabulary.js';

/** Maximum numbers or symbols of an example: as many as an image has pixels. */
const MAX_VALUES = 10_000;

/** A character that would end a cell. */
const SEPARATOR = /[,;\t\r\n"]/;

/**
 * Returns a text for a model of texts, otherwise a table: a line for each step, below the names of
 * the columns if these have some. Undefined for recordings, long sequences, and cells with
 * separators.
 */
export function exampleText(dataset: Dataset, name: SplitName): string | undefined {
  const { sequenceLength, vocabulary, preparation, unprepared } = dataset;
  const split = unprepared?.splits[name] ?? dataset[name];
  const width = dataWidth(dataset);
  if (!split?.count || dataset.recordings || sequenceLength * width > MAX_VALUES) return undefined;
  const symbols = vocabulary && split.symbols?.(0);
  if (symbols) return textOf(symbols, vocabulary.level);
  if (split.table) return tableOf(split.table(0));
  const steps = realLength(split, 0, sequenceLength);
  const values = new Float32Array(sequenceLength * width);
  split.read(0, values, 0, width);
  const cellOf = (value: number, column: number) => {
    const { categories } = preparation?.columns[column] ?? {};
    if (Number.isNaN(value)) return '';
    return categories ? (categories[value] ?? '?') : String(shortestDecimal(value));
  };
  const rows = Array.from({ length: steps }, (_, step) =>
    Array.from(values.subarray(step * width, (step + 1) * width), cellOf),
  );
  const hasNames = dataset.input.kind === 'number' && dataset.columnNames && unprepared;
  const names = hasNames ? Array.from({ length: width }, (_, column) => unprepared.nameOf(column)) : [];
  // those of arrays are no names of columns
  return tableOf(names.length > 0 && isPlain(names) ? [names, ...rows] : rows);
}

/** Undefined for unknown characters, and for bytes that are not whole ones. */
function textOf(symbols: readonly string[], level: TextLevel | null): string | undefined {
  if (level === 'word' || level === null) return symbols.join(' ');
  const text = symbols.join('');
  const decoded = level === 'byte' ? Buffer.from(text, 'latin1').toString() : text;
  const isWhole = [...text].length === symbols.length && !decoded.includes('\ufffd');
  return isWhole ? decoded : undefined;
}

function tableOf(rows: readonly (readonly string[])[]): string | undefined {
  return rows.every(isPlain) ? rows.map(row => row.join()).join('\n') : undefined;
}

function isPlain(cells: readonly string[]): boolean {
  return cells.every(cell => !SEPARATOR.test(cell));
}
