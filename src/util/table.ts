/** Tables: formatted as aligned text and Markdown for people, as csv and json for programs. */
import { printable } from './words.js';

export type TableFormat = 'text' | 'csv' | 'json' | 'markdown';

export type Cell = string | number | null;

export interface Column {
  /** Unique within its table. */
  readonly name: string;
  /** A shorter name for people. */
  readonly title?: string;
  /** Formats a number for people; programs get all digits. */
  readonly show?: (value: number) => string;
  /** Whether a cell is bold in Markdown. */
  readonly isStrong?: (cell: Cell) => boolean;
}

export interface Table {
  readonly columns: readonly Column[];
  /** One cell per column. */
  readonly rows: readonly (readonly Cell[])[];
}

export interface Field<R> extends Column {
  of(row: R, index: number): Cell;
}

export function tableOf<R>(fields: readonly Field<R>[], rows: readonly R[]): Table {
  return {
    columns: fields.map(({ of: _, ...column }) => column),
    rows: rows.map((row, i) => fields.map(field => field.of(row, i))),
  };
}

/** @param width columns that text may take; what is longer is cut, the last columns first */
export function formatTable(table: Table, format: TableFormat, width = Number.POSITIVE_INFINITY): string {
  const { columns, rows } = table;
  switch (format) {
    case 'text':
      return textTable(table, width);
    case 'csv':
      return [columns.map(({ name }) => name), ...rows].map(row => csvLine(row)).join('');
    case 'json': {
      const records = rows.map(row => Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])));
      return `${JSON.stringify(records, undefined, 2)}\n`;
    }
    case 'markdown':
      return markdownTable(table);
  }
}

const GAP = '  ';
const MIN_WIDTH = 6;

function textTable(table: Table, width: number): string {
  const { texts, isNumeric } = shown(table);
  const lines = aligned(
    texts.map(row => row.map(printable)),
    i => isNumeric[i],
    width,
  );
  return lines.map(line => `${line}\n`).join('');
}

/**
 * Rows as lines of aligned cells, without spaces at the end; rows may lack their last cells.
 * @param isRight whether to align a cell to the right
 * @param width columns of the terminal; longer cells are cut, those of the widest columns first
 */
export function aligned(
  rows: readonly (readonly string[])[],
  isRight: (column: number, text: string) => boolean = () => false,
  width = Number.POSITIVE_INFINITY,
): string[] {
  const columns = Math.max(0, ...rows.map(row => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...rows.map(row => row[i]?.length ?? 0)));
  const fitted = fit(widths, width);
  return rows.map(row =>
    row
      .map((text, i) => {
        const cut = text.length > fitted[i] ? `${text.slice(0, fitted[i] - 1)}…` : text;
        return isRight(i, text) ? cut.padStart(fitted[i]) : cut.padEnd(fitted[i]);
      })
      .join(GAP)
      .trimEnd(),
  );
}

/** Narrows the widest columns until all fit, but none below the minimum width. */
function fit(widths: readonly number[], room: number): readonly number[] {
  const fitted = [...widths];
  const total = (): number => fitted.reduce((sum, width) => sum + width, GAP.length * (fitted.length - 1));
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

/** Text that spreadsheets take for a formula, except signed numbers. */
const FORMULA = /^(?:[=@\t\r]|[+-](?!(?:inf|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)$))/;

/**
 * A line after RFC 4180, but with a line feed. Text that a spreadsheet would take for a formula
 * gets an apostrophe, as OWASP advises ("CSV Injection"), unless `isRaw`.
 */
export function csvLine(cells: readonly Cell[], isRaw = false): string {
  const fields = cells.map(cell => {
    const text = typeof cell === 'string' && !isRaw && FORMULA.test(cell) ? `'${cell}` : String(cell ?? '');
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${fields.join(',')}\n`;
}

function markdownTable(table: Table): string {
  const { texts, isNumeric } = shown(table);
  const [head, ...body] = texts.map((row, k) =>
    row.map((text, i) => {
      const isStrong = k > 0 && table.columns[i].isStrong?.(table.rows[k - 1][i]);
      return isStrong ? `**${plainMarkdown(text)}**` : plainMarkdown(text);
    }),
  );
  const rule = isNumeric.map(numeric => (numeric ? '---:' : '---'));
  return [head, rule, ...body].map(row => `| ${row.join(' | ')} |\n`).join('');
}

/**
 * Escapes untrusted text for Markdown: prevents tables, HTML, links and mentions, and keeps it on
 * one line.
 */
export function plainMarkdown(text: string): string {
  const escaped = text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\p{Cc}|\p{Bidi_Control}/gu, '\ufffd')
    .replaceAll(/[\\|`*[\]~#]/g, '\\$&')
    // underscores within a word are not emphasis
    .replaceAll(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, '\\_');
  return (
    escaped
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('@', '&#64;')
      // renderers turn these into links without any brackets
      .replaceAll('://', '&#58;//')
      .replaceAll(/\bwww\./gi, match => `${match.slice(0, -1)}&#46;`)
  );
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes text for HTML and XML, in elements and attributes. */
export function escapeMarkup(text: string): string {
  return text.replaceAll(/[&<>"']/g, character => ENTITIES[character]);
}
