/** Formats tables as text for people, and as csv, json and markdown for programs. */
import { plainMarkdown } from '../../util/markdown.js';
import { printable } from '../../util/words.js';

export type TableFormat = 'text' | 'csv' | 'json' | 'markdown';

export type Cell = string | number | null;

export interface Column {
  /** Unique within its table. */
  readonly name: string;
  /** A shorter name for people. */
  readonly title?: string;
  /** Formats a number for people; programs get all digits. */
  readonly show?: (value: number) => string;
}

export interface Table {
  readonly columns: readonly Column[];
  /** One cell per column. */
  readonly rows: readonly (readonly Cell[])[];
}

/** @param width columns that text may take; what is longer is cut, the last columns first */
export function formatTable(table: Table, format: TableFormat, width = Number.POSITIVE_INFINITY): string {
  switch (format) {
    case 'text':
      return textTable(table, width);
    case 'csv':
      return csvTable(table);
    case 'json':
      return `${JSON.stringify(recordsOf(table), undefined, 2)}\n`;
    case 'markdown':
      return markdownTable(table);
    default:
      return format satisfies never;
  }
}

/** Each row as an object by the columns' names. */
export function recordsOf({ columns, rows }: Table): readonly Readonly<Record<string, Cell>>[] {
  return rows.map(row => Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])));
}

const GAP = '  ';
const MIN_WIDTH = 6;

function textTable(table: Table, width: number): string {
  const { texts: raw, isNumeric } = shown(table);
  const texts = raw.map(row => row.map(printable));
  const widths = table.columns.map((_, i) => Math.max(...texts.map(row => row[i].length)));
  const fitted = fit(widths, width);
  const lines = texts.map(row =>
    row
      .map((text, i) => {
        const cut = text.length > fitted[i] ? `${text.slice(0, fitted[i] - 1)}…` : text;
        return isNumeric[i] ? cut.padStart(fitted[i]) : cut.padEnd(fitted[i]);
      })
      .join(GAP)
      .trimEnd(),
  );
  return lines.map(line => `${line}\n`).join('');
}

/** Narrows the widest columns until all fit, but none below the minimum width. */
function fit(widths: readonly number[], room: number): readonly number[] {
  const fitted = [...widths];
  const total = (): number => fitted.reduce((sum, one) => sum + one, GAP.length * (fitted.length - 1));
  while (total() > room) {
    const widest = fitted.lastIndexOf(Math.max(...fitted));
    if (fitted[widest] <= MIN_WIDTH) break;
    fitted[widest] -= 1;
  }
  return fitted;
}

function shown({ columns, rows }: Table): { texts: string[][]; isNumeric: boolean[] } {
  const head = columns.map(({ name, title }) => title ?? name);
  const body = rows.map(row => row.map((cell, i) => textOf(cell, columns[i])));
  const isNumeric = columns.map((_, i) => rows.every(row => row[i] === null || typeof row[i] === 'number'));
  return { texts: [head, ...body], isNumeric };
}

function textOf(cell: Cell, { show = String }: Column): string {
  if (cell === null) return '-';
  return typeof cell === 'number' ? show(cell) : cell;
}

/** RFC 4180, with line feeds. */
function csvTable({ columns, rows }: Table): string {
  const lines = [
    columns.map(({ name }) => name),
    ...rows.map(row => row.map(cell => (typeof cell === 'string' ? guarded(cell) : (cell ?? '')))),
  ];
  return lines.map(line => `${line.map(cell => quoted(String(cell))).join(',')}\n`).join('');
}

/**
 * Prefixes text that a spreadsheet would take for a formula with an apostrophe, as OWASP advises
 * ("CSV Injection").
 */
function guarded(text: string): string {
  return /^[=+@\t\r-]/.test(text) && !/^-(inf|[\d.]+)$/.test(text) ? `'${text}` : text;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function markdownTable(table: Table): string {
  const { texts, isNumeric } = shown(table);
  const [head, ...body] = texts.map(row => row.map(plainMarkdown));
  const rule = isNumeric.map(numeric => (numeric ? '---:' : '---'));
  return [head, rule, ...body].map(row => `| ${row.join(' | ')} |\n`).join('');
}
